import { expect, test } from "vitest";
import { encodeGroup } from "../../../bus/group-record.ts";
import type { KeyValue, KeyValueChange, KeyValueWatcher } from "../../../bus/key-value.ts";
import { NATS_BUS_DEFAULTS } from "../../../bus/nats/options.ts";
import { Routes } from "../../../bus/nats/routes.ts";
import { ShardRegistry } from "../../../bus/nats/shard-registry.ts";
import { Troubles } from "../../../bus/nats/troubles.ts";
import { groupKey, routeKey, shardKey } from "../../../bus/record-keys.ts";
import { encodeRoute, firstRoute, isMoving, startSealing } from "../../../bus/route.ts";
import { encodeShardSettings } from "../../../bus/shard-record.ts";
import { newShard } from "../../../bus/shard-rules.ts";
import { ShardState } from "../../../proto/gen/tidegate/bus/v1/shard_settings.ts";

const slot = 7;
const open = firstRoute(slot, [0]).record;
const sealing = encodeRoute(startSealing(open, 1, false, 0));
const group = encodeGroup({ firstShards: [0], dedupeWindowMs: 0, isMade: true });
const policy = { group: 0, region: "", capacity: 1 };
const shard = encodeShardSettings({
  ...newShard(policy, NATS_BUS_DEFAULTS, 1, 0),
  state: ShardState.ACTIVE,
});

/** Routes whose watch shows what a test says. */
async function setUp() {
  let watcher: KeyValueWatcher | null = null;
  const keys: Pick<KeyValue, "watch"> = {
    watch: async (_, given) => {
      watcher = given;
      given.onChange({ key: groupKey(0), value: group, revision: 1 });
      given.onSynced?.();
      return () => {};
    },
  };
  const troubles = new Troubles({ info() {}, warn() {}, error() {} });
  const registry = new ShardRegistry(keys as KeyValue, troubles);
  const routes = await Routes.watch(keys as KeyValue, registry, troubles);
  const show = (change: KeyValueChange) => watcher?.onChange(change);
  return { routes, registry, show };
}

test("hint: what is newer than all the watch has shown counts, and is acknowledged by the watch", async () => {
  const { routes, show } = await setUp();
  routes.hint({ key: routeKey(slot), value: sealing, revision: 5 });
  expect(isMoving(routes.of(slot))).toBe(true);
  expect(routes.revision).toBe(1);
  routes.hint({ key: routeKey(slot), value: encodeRoute(open), revision: 4 }); // came late
  expect(isMoving(routes.of(slot))).toBe(true);
  show({ key: routeKey(slot), value: sealing, revision: 5 });
  expect(routes.revision).toBe(5);
});

test("hint: what the watch has gone past changes nothing, also of what was deleted there", async () => {
  const { routes, registry, show } = await setUp();
  show({ key: routeKey(slot), value: sealing, revision: 5 });
  show({ key: routeKey(slot), value: null, revision: 6 });
  show({ key: shardKey(3), value: shard, revision: 7 });
  show({ key: shardKey(3), value: null, revision: 8 });
  routes.hint({ key: routeKey(slot), value: sealing, revision: 5 });
  routes.hint({ key: shardKey(3), value: shard, revision: 7 });
  expect(isMoving(routes.of(slot))).toBe(false);
  expect(registry.numbers()).toEqual([]);
  routes.hint({ key: shardKey(3), value: shard, revision: 9 }); // made again
  expect(registry.numbers()).toEqual([3]);
  routes.hint({ key: shardKey(3), value: null, revision: 10 }); // only the watch deletes
  expect(registry.numbers()).toEqual([3]);
});
