/**
 * What a shard may be made with: copies, limits, tags; and their bounds.
 */
import { CodedError } from "../proto/coded-error.ts";
import type { ErrorCode } from "../proto/gen/errors.ts";

/** What may differ from shard to shard. */
export interface ShardLimits {
  /** Copies: 1, 3 or 5; on the embedded bus 1. */
  readonly replicaCount: number;
  /** Newest messages kept of each room, 1 to 1 000 000. */
  readonly roomMessageCountMax: number;
  /** Age at which messages are deleted, ms, 1 minute to 30 days. */
  readonly retentionMs: number;
  /** Bytes of the shard, 16 MiB to 16 TiB. */
  readonly shardBytesMax: number;
  /** Tags that servers must have to hold a copy, at most 16; on the embedded bus none. */
  readonly placementTags: readonly string[];
}

/** Bounds of the numbers in {@link ShardLimits}; those of `replicaCount` are 1, 3 and 5. */
export const SHARD_BOUNDS = {
  roomMessageCountMax: [1, 1_000_000],
  retentionMs: [60_000, 30 * 24 * 3600 * 1000],
  shardBytesMax: [16 * 1024 ** 2, 16 * 1024 ** 4],
} as const;

const tagCountMax = 16;
const tagPattern = /^[A-Za-z0-9_:.=-]{1,64}$/;

/**
 * Refuses what is out of bounds.
 *
 * @param where leads the message, e.g. "SHARD_SETTINGS_FILE shards.3: ".
 * @param code of the refusal: of an option, or of a request.
 * @throws {CodedError} `code`, naming setting, value and bound.
 */
export function checkShardLimits(
  limits: Partial<ShardLimits>,
  where = "",
  code: ErrorCode = "OPTION_INVALID",
): void {
  for (const [name, [min, max]] of Object.entries(SHARD_BOUNDS)) {
    const value: unknown = limits[name as keyof typeof SHARD_BOUNDS];
    if (value === undefined) continue;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
      continue;
    }
    const detail = `${where}${name} is ${JSON.stringify(value)}, must be ${min} to ${max}`;
    throw new CodedError(code, detail);
  }
  const { replicaCount, placementTags } = limits;
  if (replicaCount !== undefined && ![1, 3, 5].includes(replicaCount)) {
    const detail = `${where}replicaCount is ${JSON.stringify(replicaCount)}: 1, 3 or 5`;
    throw new CodedError(code, detail);
  }
  if (placementTags === undefined) return;
  const isList = Array.isArray(placementTags) && placementTags.length <= tagCountMax;
  if (!isList || !placementTags.every((tag) => typeof tag === "string" && tagPattern.test(tag))) {
    const shown = JSON.stringify(placementTags);
    const detail = `${where}placementTags is ${shown}, must be up to ${tagCountMax} of ${tagPattern}`;
    throw new CodedError(code, detail);
  }
}
