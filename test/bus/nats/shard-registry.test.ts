/**
 * Records of shards and groups as a process knows them: what a read shows counts, before the watch
 * does.
 */
import { expect, test } from "vitest";
import { encodeGroup } from "../../../bus/group-record.ts";
import type { KeyValue, KeyValueEntry } from "../../../bus/key-value.ts";
import { ShardRegistry } from "../../../bus/nats/shard-registry.ts";
import { Troubles } from "../../../bus/nats/troubles.ts";
import { groupKey } from "../../../bus/record-keys.ts";

const value = encodeGroup({ firstShards: [0], dedupeWindowMs: 0, isMade: true });
const entry = (group: number, revision: number): KeyValueEntry => {
  return { key: groupKey(group), value, revision };
};

test("reload: a group that is not there any more is forgotten, one the watch shows meanwhile not", async () => {
  let stored: KeyValueEntry[] = [entry(0, 1), entry(1, 2)];
  let meanwhile = () => {};
  const list: KeyValue["list"] = async (prefix) => {
    const found = stored.filter(({ key }) => key.startsWith(prefix));
    meanwhile();
    return found;
  };
  const registry = new ShardRegistry(
    { list } as KeyValue,
    new Troubles({ info() {}, warn() {}, error() {} }),
  );
  const told: [number, boolean][] = [];
  registry.followGroups((group, record) => told.push([group, record !== null]));
  await registry.reload();
  stored = [entry(0, 1)];
  meanwhile = () => registry.take(groupKey(2), value, 4);
  await registry.reload();
  expect([...registry.groups.keys()]).toEqual([0, 2]);
  expect(told).toEqual([
    ...[[0, true] as const, [1, true] as const, [2, true] as const, [1, false] as const],
  ]);
  registry.take(groupKey(1), null, 3); // the watch comes there too
  expect(told).toHaveLength(4);
});
