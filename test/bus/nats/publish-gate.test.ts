/** Holding publishes while a slot's route changes (R10 step 1), on the embedded bus's keys. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import { encodeGroup } from "../../../bus/group-record.ts";
import type { KeyValue } from "../../../bus/key-value.ts";
import { SILENT_LOG } from "../../../bus/log.ts";
import { HELD_COUNT_MAX, PublishGate } from "../../../bus/nats/publish-gate.ts";
import { Routes } from "../../../bus/nats/routes.ts";
import { ShardRegistry } from "../../../bus/nats/shard-registry.ts";
import { Troubles } from "../../../bus/nats/troubles.ts";
import { groupKey, ROUTE_PREFIX, routeKey } from "../../../bus/record-keys.ts";
import { encodeRoute, firstRoute, reopen, startSealing } from "../../../bus/route.ts";
import { CodedError } from "../../../proto/coded-error.ts";

const slot = 5;
/** Of the first record that {@link openGate} writes. */
const groupRevision = 1;

/** @param hear what becomes of each change that the watch shows. */
async function openGate(hear: (show: () => void) => void = (show) => show()) {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-gate-"));
  const bus = await openEmbeddedBus({ dataDir });
  const keys = await bus.keyValue("gate");
  const heard: KeyValue = {
    ...{ get: (key) => keys.get(key), list: (prefix) => keys.list(prefix) },
    ...{ create: keys.create.bind(keys), update: keys.update.bind(keys) },
    ...{ delete: keys.delete.bind(keys), commit: keys.commit.bind(keys) },
    watch: (prefix, { onChange, onSynced }) =>
      keys.watch(prefix, {
        onSynced,
        onChange: (change) =>
          change.key.startsWith(ROUTE_PREFIX) ? hear(() => onChange(change)) : onChange(change),
      }),
  };
  const group = { firstShards: [0, 1, 2, 3], dedupeWindowMs: 30_000, isMade: true };
  await keys.create(groupKey(0), encodeGroup(group));
  const troubles = new Troubles(SILENT_LOG);
  const routes = await Routes.watch(heard, new ShardRegistry(heard, troubles), troubles);
  const settled: number[] = [];
  const awaited: number[] = [];
  const gate = new PublishGate(routes, (revision, isAwaited) => {
    settled.push(revision);
    if (isAwaited) awaited.push(revision);
  });
  onTestFinished(async () => {
    gate.close(new CodedError("UNAVAILABLE", "the test is over"));
    routes.close();
    await bus.close();
    rmSync(dataDir, { recursive: true });
  });
  const started: string[] = [];
  const refused: string[] = [];
  const enter = (name: string, at = slot) =>
    gate.enter(at, {
      start: (route) => started.push(`${name}@${route.record.epoch}`),
      refuse: (error) => refused.push(`${name}: ${error.code}`),
    });
  return { gate, keys, routes, settled, awaited, started, refused, enter };
}

test("enter: held while the slot is sealing, then started in order with the open route", async () => {
  const { gate, keys, settled, awaited, started, enter } = await openGate();
  enter("before");
  expect(started).toEqual(["before@1"]);
  const { record } = firstRoute(slot, [0, 1, 2, 3]);
  const sealing = startSealing(record, 1, false, Date.now() * 1000);
  const revision = await keys.create(routeKey(slot), encodeRoute(sealing));
  await vi.waitUntil(() => settled.at(-1) === revision - 1); // one is in flight
  for (const name of ["a", "b"]) enter(name);
  enter("other slot", slot + 1);
  expect(started).toEqual(["before@1", "other slot@1"]);
  expect(awaited).toEqual([]);
  gate.leave(slot);
  expect(settled.at(-1)).toBe(revision);
  const opened = encodeRoute({ ...reopen(record), epoch: 2 });
  const last = await keys.update(routeKey(slot), opened, revision);
  await vi.waitUntil(() => settled.at(-1) === last);
  expect(started.slice(2)).toEqual(["a@2", "b@2"]);
  expect(awaited).toEqual([revision]); // no mover waits for anything but the seal
});

test("R10: two seals, of which the earlier settles last: their movers are told then", async () => {
  const { gate, keys, settled, awaited, enter } = await openGate();
  enter("before");
  const { record } = firstRoute(slot, [0, 1, 2, 3]);
  const sealing = encodeRoute(startSealing(record, 1, false, Date.now() * 1000));
  const first = await keys.create(routeKey(slot), sealing);
  const second = await keys.create(routeKey(slot + 1), sealing);
  await vi.waitUntil(() => settled.length > 0 && settled.at(-1) === first - 1);
  gate.leave(slot);
  await vi.waitUntil(() => settled.at(-1) === second);
  expect(awaited.at(-1)).toBe(second);
});

test("stopAll: everything waits, from both sides of nested stops", async () => {
  const { gate, started, enter } = await openGate();
  const [first, second] = [gate.stopAll(), gate.stopAll()];
  enter("a");
  first();
  enter("b");
  expect(started).toEqual([]);
  second();
  expect(started).toEqual(["a@1", "b@1"]);
});

test("R10: a record that is read alone acknowledges no earlier one", async () => {
  const shown: (() => void)[] = [];
  const { keys, routes, settled } = await openGate((show) => shown.push(show));
  const { record } = firstRoute(slot, [0, 1, 2, 3]);
  const sealing = encodeRoute(startSealing(record, 1, false, Date.now() * 1000));
  await keys.create(routeKey(slot), sealing);
  const revision = await keys.create(routeKey(slot + 1), encodeRoute(record));
  expect((await routes.refresh(slot + 1)).revision).toBe(revision);
  const later = settled.filter((each) => each > groupRevision);
  expect(later).toEqual([]); // the slot that seals is not known here
  await vi.waitUntil(() => shown.length === 2);
  for (const show of shown) show();
  expect(settled.at(-1)).toBe(revision);
});

test("R10: all records read together are acknowledged", async () => {
  const { keys, routes, settled } = await openGate(() => {});
  const { record } = firstRoute(slot, [0, 1, 2, 3]);
  await keys.create(routeKey(slot + 1), encodeRoute(record));
  const revision = await keys.create(routeKey(slot), encodeRoute(record));
  await routes.reload();
  expect(settled.at(-1)).toBe(revision);
});

test("enter: who comes later is refused with the first that is late, and overtakes nobody", async () => {
  const { gate, started, refused, enter } = await openGate();
  const goOn = gate.stopAll();
  enter("first");
  const endMs = performance.now() + 1000;
  await vi.waitUntil(() => performance.now() > endMs, { timeout: 5000 });
  enter("later");
  await vi.waitUntil(() => refused.length > 0, { timeout: 5000 });
  goOn();
  expect(refused).toEqual(["first: UNAVAILABLE", "later: UNAVAILABLE"]);
  expect(started).toEqual([]);
});

test("enter: beyond the limit, and after a time, publishes are refused to be tried again", async () => {
  const { gate, started, refused, enter } = await openGate();
  gate.stopAll();
  for (let i = 0; i < HELD_COUNT_MAX; i += 1) enter(`${i}`);
  expect(refused).toEqual([]);
  enter("too many");
  expect(refused).toEqual(["too many: UNAVAILABLE"]);
  await vi.waitUntil(() => gate.heldCount === 0, { timeout: 10_000 });
  expect(refused.length).toBe(HELD_COUNT_MAX + 1);
  expect(refused[1]).toBe("0: UNAVAILABLE");
  expect(started).toEqual([]);
});
