/**
 * The last steps of a deletion, and the undoing of a shard that was not made to its end: the stream
 * goes first, then the record; whoever does it, and however often.
 */
import { ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { shardKey } from "../record-keys.ts";
import { encodeShardSettings } from "../shard-record.ts";
import type { MoveParts } from "./advance-epoch.ts";
import type { ShardRecord } from "./shard-registry.ts";
import { deleteStream } from "./stream-api.ts";
import { shardStream } from "./wire.ts";

/**
 * Removes a shard that is not there any more, or not yet.
 *
 * @param record being made, or being deleted.
 * @throws {CodedError} `UNAVAILABLE`, or `ETAG_MISMATCH` when another was first.
 */
export async function removeShard(
  { connection, control, nowUs }: Pick<MoveParts, "connection" | "control" | "nowUs">,
  shard: number,
  { settings, revision }: ShardRecord,
): Promise<void> {
  let last = revision;
  if (settings.state !== ShardState.DELETING) {
    // From here on whoever was making it can not end.
    const state = ShardState.DELETING;
    const gone = encodeShardSettings({ ...settings, state, stateUs: BigInt(nowUs()) });
    last = await control.update(shardKey(shard), gone, revision);
  }
  await deleteStream(connection, shardStream(shard));
  await control.delete(shardKey(shard), last);
}
