/**
 * Refusals of placement as errors of the API: one row of proto/errors.json for each.
 *
 * Pure.
 */
import { CodedError, type ErrorCode } from "../../proto/coded-error.ts";
import { type PlacementRefusal, RefusalCode } from "../placement/placement.ts";

/** Each refusal has the code of its name, so that docs/placement.md and docs/errors.md agree. */
const codes: Readonly<Record<RefusalCode, ErrorCode>> = {
  [RefusalCode.noActiveShard]: "NO_ACTIVE_SHARD",
  [RefusalCode.rulesContradict]: "RULES_CONTRADICT",
  [RefusalCode.regionWithoutShard]: "REGION_WITHOUT_SHARD",
  [RefusalCode.ownerUnknown]: "OWNER_UNKNOWN",
  [RefusalCode.pinToUnknownShard]: "PIN_TO_UNKNOWN_SHARD",
  [RefusalCode.pinToLeavingShard]: "PIN_TO_LEAVING_SHARD",
  [RefusalCode.pinOutsideRegion]: "PIN_OUTSIDE_REGION",
};

/** The error of a refusal. */
export function placementError(refusal: PlacementRefusal): CodedError {
  return new CodedError(codes[refusal.code], refusal.detail);
}
