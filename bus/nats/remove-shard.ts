/**
 * The last steps of deletions, and the undoing of a shard that was not made to its end: the stream
 * goes first, then the record; whoever does it, and however often.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { KeyValue } from "../key-value.ts";
import { groupKey, ROUTE_PREFIX, shardKey, slotOfKey } from "../record-keys.ts";
import { encodeShardSettings } from "../shard-record.ts";
import { groupOfSlot } from "../subjects.ts";
import type { ShardRecord } from "./shard-registry.ts";
import { deleteStream } from "./stream-api.ts";
import { shardStream } from "./wire.ts";

/** What shards are removed with. */
export interface RemoveParts {
  readonly connection: NatsConnection;
  /** The bucket "control". */
  readonly control: KeyValue;
  nowUs(): number;
}

/** Records removed in one commit: each is read before. */
const AT_ONCE = 100;

/**
 * Removes the records of slots whose group is gone.
 *
 * @throws {CodedError} `UNAVAILABLE`.
 */
export async function removeSlots(control: KeyValue, group: number): Promise<void> {
  if ((await control.get(groupKey(group))) !== null) return; // there, whatever the asker knew
  const entries = await control.list(ROUTE_PREFIX);
  const own = entries.filter(({ key }) => groupOfSlot(slotOfKey(key) ?? -1) === group);
  for (let at = 0; at < own.length; at += AT_ONCE) {
    const some = own.slice(at, at + AT_ONCE);
    await control.commit(some.map(({ key, revision }) => ({ key, value: null, revision })));
  }
}

/**
 * Removes a shard that is not there any more, or not yet.
 *
 * @param record being made, or being deleted.
 * @throws {CodedError} `UNAVAILABLE`, or `ETAG_MISMATCH` when another was first.
 */
export async function removeShard(
  { connection, control, nowUs }: RemoveParts,
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
