/**
 * Making and deleting placement groups on NATS: one commit says it all, the record of the group and
 * of its shards.
 *
 * Before it, a group that is made has streams that nobody uses; after it, one that is deleted has
 * streams and slots' records that nobody uses. Whoever reconciles removes both, so a process that
 * dies anywhere in between leaves nothing half done.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { encodeGroup } from "../group-record.ts";
import { groupKey, shardKey } from "../record-keys.ts";
import type { GroupAlong, GroupWish } from "../shard-admin.ts";
import { encodeShardSettings } from "../shard-record.ts";
import { checkGroupWish, decideGroupDeletion, decideShard, missingGroup } from "../shard-rules.ts";
import type { MoveParts } from "./advance-epoch.ts";
import {
  activation,
  type MadeShard,
  type MakeParts,
  makeShard,
  unmakeShard,
} from "./make-shard.ts";
import type { NatsBusOptions } from "./options.ts";
import type { Reconciler } from "./reconcile.ts";
import { removeShard, removeSlots } from "./remove-shard.ts";
import type { ShardRegistry } from "./shard-registry.ts";
import { isStreamMissing, newestUs } from "./stream-api.ts";
import { shardStream } from "./wire.ts";

/** What groups are made and deleted with. */
export interface GroupParts extends MakeParts {
  readonly move: MoveParts;
  readonly reconciler: Reconciler;
  /** What a new shard begins with. */
  readonly options: NatsBusOptions;
  /** While no other process changes these shards' streams. */
  locked<T>(shards: readonly number[], act: () => Promise<T>): Promise<T>;
}

/** ShardAdmin.createGroup. */
export async function createGroup(
  parts: GroupParts,
  wish: GroupWish,
  along: GroupAlong,
): Promise<readonly number[]> {
  const { control, registry, reconciler, options, locked } = parts;
  await registry.reload();
  checkGroupWish(wish, registry.groups);
  const wanted = wish.shards.map((each) => decideShard(each, options, parts.nowUs()));
  await removeSlots(control, wish.group); // of one that had its number, and whose deleter died
  const made: MadeShard[] = [];
  try {
    for (const settings of wanted) made.push(await makeShard(parts, settings));
    const shards = made.map(({ shard }) => shard);
    return await locked(shards, async () => {
      await commitGroup(parts, wish.group, made, along);
      await registry.reload();
      // Their lists: what can not be set now, is by whoever reconciles.
      for (const shard of shards) await reconciler.follow(shard).catch(() => {});
      return shards;
    });
  } catch (error) {
    // Those that are there after all, by a commit without an answer, stay.
    for (const each of made) await unmakeShard(parts, each);
    throw error;
  }
}

/** ShardAdmin.deleteGroup. */
export async function deleteGroup(
  parts: GroupParts,
  group: number,
  revision: number,
  along: GroupAlong,
): Promise<void> {
  const { control, registry, move, locked } = parts;
  await registry.reload();
  await locked(shardsOf(registry, group), async () => {
    await registry.reload();
    if (group !== 0 && !registry.groups.has(group)) throw missingGroup(group);
    const shards = shardsOf(registry, group);
    const found = await Promise.all(shards.map((shard) => readShard(parts, shard)));
    const gone = decideGroupDeletion(group, found, parts.nowUs());
    const revisions = await control.commit([
      { key: groupKey(group), value: null, revision },
      ...found.map(({ shard, revision: before }, i) => {
        const record = gone[i];
        if (record === undefined) throw new RangeError(`shard ${shard} has no record`);
        return { key: shardKey(shard), value: encodeShardSettings(record), revision: before };
      }),
      ...along(shards),
    ]);
    // Decided: whoever reconciles does the rest when this process can not.
    const leave = () => {}; // for the reconciler
    await removeSlots(control, group).catch(leave);
    for (const [i, shard] of shards.entries()) {
      const settings = gone[i];
      const after = revisions[i + 1];
      if (settings === undefined || after === undefined) continue;
      await removeShard(move, shard, { settings, revision: after }).catch(leave);
    }
    await registry.reload();
  });
}

async function commitGroup(
  { control }: GroupParts,
  group: number,
  made: readonly MadeShard[],
  along: GroupAlong,
): Promise<void> {
  const shards = made.map(({ shard }) => shard);
  const value = encodeGroup({ firstShards: shards, dedupeWindowMs: 0, isMade: true });
  const write = { key: groupKey(group), value, revision: 0 };
  try {
    await control.commit([write, ...made.map(activation), ...along(shards)]);
  } catch (error) {
    if (CodedError.from(error).code !== "ETAG_MISMATCH") throw error;
    if ((await control.get(groupKey(group))) !== null) {
      throw new CodedError("ALREADY_EXISTS", `group ${group} exists`, error);
    }
    throw new CodedError("UNAVAILABLE", "it took too long, and was undone; try again", error);
  }
}

async function readShard({ connection, registry }: GroupParts, shard: number) {
  const kept = registry.records.get(shard);
  if (kept === undefined) throw new CodedError("UNAVAILABLE", `shard ${shard} is changing now`);
  const newest = await newestUs(connection, shardStream(shard)).catch((error: unknown) => {
    if (isStreamMissing(error)) return 0;
    throw error;
  });
  return { shard, record: kept.settings, revision: kept.revision, newestUs: newest };
}

function shardsOf(registry: ShardRegistry, group: number): number[] {
  return registry.numbers().filter((shard) => registry.shards.get(shard)?.group === group);
}
