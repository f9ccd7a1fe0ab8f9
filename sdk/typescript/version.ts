/**
 * What a version gate says to this build.
 */
import type { VersionMismatch as WireMismatch } from "./gen/tidegate/client/v1/version.ts";

/** By number on the wire (VersionAction in proto/tidegate/client/v1/version.proto). */
const ACTIONS = ["WARN", "ALLOW", "WARN", "READ_ONLY", "REFUSE"] as const;

/** This build is not what a version gate wants. */
export interface VersionMismatch extends Omit<WireMismatch, "action"> {
  /**
   * `ALLOW`: no more so. `WARN`: go on, and tell the user. `READ_ONLY`: publishes end as
   * `VERSION_READ_ONLY`. `REFUSE`: the client is closed with `VERSION_REFUSED`, or the join of
   * `room` was refused.
   */
  readonly action: (typeof ACTIONS)[number];
}

/** In the SDK's words; an action that this version does not know is a warning. */
export function versionMismatch(frame: WireMismatch): VersionMismatch {
  return { ...frame, action: ACTIONS[Math.max(0, frame.action)] ?? "WARN" };
}
