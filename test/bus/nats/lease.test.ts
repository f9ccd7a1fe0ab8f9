/** R12 on a real NATS, in one process: refused, renewed, acknowledged, stopped and resumed. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { KeyValue } from "../../../bus/key-value.ts";
import type { LeaseState } from "../../../bus/nats/lease.ts";
import {
  LEASE_BUCKET,
  type LeaseEntry,
  leaseKey,
  listLeases,
  watchLeases,
} from "../../../bus/nats/lease-records.ts";
import { LOOP_GAP_MS_MAX } from "../../../bus/nats/lease-rules.ts";
import { type NatsBus, openNatsBus } from "../../../bus/nats/nats-bus.ts";
import type { NatsBusOptions } from "../../../bus/nats/options.ts";
import type { RoomAddress } from "../../../bus/subjects.ts";
import { Lease } from "../../../proto/gen/tidegate/bus/v1/lease.ts";
import { startTestNats, type TestNats } from "../../nats/start-nats.ts";
import {
  append,
  codeOf,
  envelopeOf,
  newProducer,
  newRoom,
  Recorder,
  readAll,
  textsOf,
} from "../contract-tools.ts";

let nats: TestNats;
let count = 0;

beforeAll(async () => {
  nats = await startTestNats(1);
});

afterAll(() => nats?.stop());

async function open(more: Partial<NatsBusOptions> = {}): Promise<NatsBus> {
  count += 1;
  const bus = await openNatsBus({ servers: nats.urls, name: `lease-${count}`, ...more });
  onTestFinished(() => bus.close());
  return bus;
}

/** Resolves when the lease comes to a state. */
function comesTo(bus: NatsBus, state: LeaseState): Promise<string> {
  return new Promise((resolve) => {
    const end = bus.lease.onChange((now, why) => {
      if (now !== state) return;
      end();
      resolve(why);
    });
  });
}

/** Watches the lease of an id; the function waits until it, or its absence, satisfies `test`. */
async function watchLease(keys: KeyValue, id: string) {
  let entry: LeaseEntry | null = null;
  const waiting = new Set<() => void>();
  const { promise: synced, resolve: onSynced } = Promise.withResolvers<void>();
  const onLease = (seen: string, now: LeaseEntry | null) => {
    if (seen !== id) return;
    entry = now;
    for (const look of [...waiting]) look();
  };
  onTestFinished(await watchLeases(keys, { onLease, onSynced }));
  await synced;
  return (test: (entry: LeaseEntry | null) => boolean) =>
    new Promise<LeaseEntry | null>((resolve) => {
      const look = () => {
        if (!test(entry)) return;
        waiting.delete(look);
        resolve(entry);
      };
      waiting.add(look);
      look();
    });
}

/** Appends as a producer's lane does, which tries again after 2 s without a lease. */
async function appendSurely(bus: NatsBus, room: RoomAddress, text: string): Promise<void> {
  const id = { producer: newProducer(), seq: 1 };
  while ((await codeOf(() => append(bus, room, id, text))) === "UNAVAILABLE");
}

/** Keeps the event loop from turning, as a frozen process does. */
function standStill(ms: number): void {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
}

test("a second process of the id is refused while the first answers, saying who it is", async () => {
  const bus = await open({ parts: "all", version: "1.2.3" });
  const second = openNatsBus({ servers: nats.urls, name: bus.lease.id });
  await expect(second).rejects.toMatchObject({
    code: "GATEWAY_ID_IN_USE",
    detail: expect.stringContaining(`pid ${process.pid}`),
  });
  const leases = await listLeases(await bus.keyValue(LEASE_BUCKET));
  const own = leases.find(({ lease }) => lease.id === bus.lease.id);
  expect(own?.lease).toMatchObject({
    incarnation: bus.lease.incarnation,
    kind: 3,
    pid: process.pid,
    version: "1.2.3",
  });
  expect(bus.lease.isHeld).toBe(true);
});

test("of several starters for a dead process's id exactly one gets it", async () => {
  const looker = await open();
  const keys = await looker.keyValue(LEASE_BUCKET);
  for (let round = 0; round < 5; round += 1) {
    const name = `raced-${round}`;
    // A lease whose process is gone: nobody listens on its control subject.
    const left = { id: name, incarnation: "dead", host: "elsewhere", version: "" };
    const numbers = {
      kind: 1,
      pid: 1,
      startedUs: 0n,
      routingRevision: 0n,
      facts: Buffer.alloc(0),
    } as const;
    const value = Lease.encode({ ...left, ...numbers }).finish();
    await keys.create(leaseKey(name), value, 60_000);
    const starts = [1, 2, 3].map(() => openNatsBus({ servers: nats.urls, name }));
    const ends = await Promise.allSettled(starts);
    const winners = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    onTestFinished(async () => {
      await Promise.all(winners.map((bus) => bus.close()));
    });
    const codes = ends.flatMap((end) => (end.status === "rejected" ? [end.reason.code] : []));
    expect(codes).toEqual(["GATEWAY_ID_IN_USE", "GATEWAY_ID_IN_USE"]);
    expect(winners[0]?.lease.isHeld).toBe(true);
  }
}, 60_000);

test("a clean close gives the lease back: the id is free at once, and watchers see it", async () => {
  const watcher = await open();
  const bus = await openNatsBus({ servers: nats.urls, name: "brief" });
  const lease = await watchLease(await watcher.keyValue(LEASE_BUCKET), "brief");
  await lease((entry) => entry !== null);
  await bus.close();
  expect(await lease((entry) => entry === null)).toBeNull();
  const again = await open({ name: "brief" });
  expect(again.lease.incarnation).not.toBe(bus.lease.incarnation);
});

test("acknowledge: the highest revision is written, however many come, and the lease stays", async () => {
  const bus = await open({ leaseTtlMs: 3000 });
  const keys = await bus.keyValue(LEASE_BUCKET);
  const { id } = bus.lease;
  const before = (await keys.get(leaseKey(id)))?.revision ?? 0;
  for (let revision = 1; revision <= 1000; revision += 1) bus.lease.acknowledge(revision, true);
  bus.lease.acknowledge(5, true); // older: ignored
  const lease = await watchLease(keys, id);
  const written = await lease((entry) => entry?.lease.routingRevision === 1000n);
  expect((written?.revision ?? 0) - before).toBeLessThanOrEqual(3);
  // Later writes carry it, with a time to live: 3 s long the lease would not last without.
  const later = await lease((entry) => (entry?.revision ?? 0) > before + 12);
  expect(later?.lease).toMatchObject({ routingRevision: 1000n });
  expect(bus.lease.isHeld).toBe(true);
});

test("after the loop stood still nothing is published until the lease is renewed", async () => {
  const bus = await open();
  const room = newRoom();
  const live = newRoom("live", "live");
  const keys = await bus.keyValue(LEASE_BUCKET);
  const { id, incarnation } = bus.lease;
  const recorder = new Recorder();
  bus.subscribeRoom(live, recorder);
  await append(bus, room, { producer: newProducer(), seq: 1 }, "before");
  const revision = (await keys.get(leaseKey(id)))?.revision ?? 0;
  const steps: [boolean, boolean][] = [];
  bus.lease.beforeResume(async (isNew) => {
    steps.push([isNew, bus.lease.isHeld]);
  });
  const resumed = comesTo(bus, "held");
  standStill(LOOP_GAP_MS_MAX + 200);
  // Still in the turn that stood still: an append waits, an ephemeral message is refused.
  const held = appendSurely(bus, room, "held");
  expect(await codeOf(() => bus.publish(live, envelopeOf("refused")))).toBe("UNAVAILABLE");
  expect(bus.status().isConnected).toBe(false);
  await resumed;
  expect(steps).toEqual([[false, false]]);
  expect((await keys.get(leaseKey(id)))?.revision).toBeGreaterThan(revision);
  expect(bus.lease.incarnation).toBe(incarnation);
  await held;
  expect(textsOf(await readAll(bus, room))).toEqual(["before", "held"]);
  bus.publish(live, envelopeOf("after"));
  await recorder.ephemeralCount(1);
  expect(recorder.texts).toEqual(["after"]);
  expect(bus.status().isConnected).toBe(true);
});

test("a lease that is gone, taken by nobody: a new incarnation, told to the steps before", async () => {
  const bus = await open({ leaseTtlMs: 3000 });
  const keys = await bus.keyValue(LEASE_BUCKET);
  const { id, incarnation } = bus.lease;
  const steps: boolean[] = [];
  let failCount = 1;
  bus.lease.beforeResume(async (isNew) => {
    steps.push(isNew);
    failCount -= 1;
    if (failCount >= 0) throw new Error("not yet: called again after the next renewal");
  });
  const resumed = comesTo(bus, "held");
  await keys.delete(leaseKey(id));
  expect(await resumed).toContain("new incarnation");
  expect(steps).toEqual([true, true]);
  expect(bus.lease.incarnation).not.toBe(incarnation);
  const present = await (await watchLease(keys, id))((entry) => entry !== null);
  expect(present?.lease.incarnation).toBe(bus.lease.incarnation);
});

test("a bucket that was deleted is made again, with a lease of a new incarnation", async () => {
  const bus = await open({ leaseTtlMs: 3000 });
  const { id, incarnation } = bus.lease;
  const resumed = comesTo(bus, "held");
  const connection = await connect({ servers: nats.urls });
  await (await jetstreamManager(connection)).streams.delete(`KV_${LEASE_BUCKET}`);
  await connection.close();
  await resumed;
  expect(bus.lease.incarnation).not.toBe(incarnation);
  const leases = await listLeases(await (await open()).keyValue(LEASE_BUCKET));
  expect(leases.map(({ lease }) => lease.id)).toContain(id);
});

test("a KV that takes no writes: publishes go on until the lease is in doubt, then wait", async () => {
  const own = await startTestNats(1);
  onTestFinished(() => own.stop());
  const bus = await open({ servers: own.urls, leaseTtlMs: 3000 });
  const keys = await bus.keyValue(LEASE_BUCKET);
  const room = newRoom();
  const connection = await connect({ servers: own.urls });
  const manager = await jetstreamManager(connection);
  const doubt = comesTo(bus, "renewing");
  const resumed = comesTo(bus, "held");
  const { config } = await manager.streams.info(`KV_${LEASE_BUCKET}`);
  const sealed = JSON.stringify({ ...config, sealed: true });
  await connection.request(`$JS.API.STREAM.UPDATE.KV_${LEASE_BUCKET}`, sealed);
  expect(await codeOf(() => keys.create("gateway.other", envelopeOf("x")))).toBe("UNAVAILABLE");
  await append(bus, room, { producer: newProducer(), seq: 1 }, "in time");
  expect(await doubt).toMatch(/could not be renewed|stood still/); // a busy machine stalls
  const waiting = appendSurely(bus, room, "later");
  expect(await codeOf(() => bus.publish(room, envelopeOf("x")))).toBe("UNAVAILABLE");
  expect(textsOf(await readAll(bus, room))).toEqual(["in time"]);
  await manager.streams.delete(`KV_${LEASE_BUCKET}`);
  await connection.close();
  await resumed;
  await waiting;
  expect(textsOf(await readAll(bus, room))).toEqual(["in time", "later"]);
});

test("taken over by another: lost for good, everything is refused, the other's lease stays", async () => {
  const bus = await open({ leaseTtlMs: 3000 });
  const keys = await bus.keyValue(LEASE_BUCKET);
  const key = leaseKey(bus.lease.id);
  const lost = comesTo(bus, "lost");
  // A renewal may come between the look and the write: then once more.
  const takeOver = async () => {
    const present = await keys.get(key);
    const lease = Lease.decode(present?.value ?? new Uint8Array());
    const other = { ...lease, incarnation: "other", host: "elsewhere", pid: 4711 };
    await keys.update(key, Lease.encode(other).finish(), present?.revision ?? 0, 60_000);
  };
  while ((await codeOf(takeOver)) === "ETAG_MISMATCH");
  expect(await lost).toContain("pid 4711 on elsewhere");
  const room = newRoom();
  expect(await codeOf(() => bus.publish(room, envelopeOf("x")))).toBe("UNAVAILABLE");
  const late = append(bus, room, { producer: newProducer(), seq: 1 }, "late");
  expect(await codeOf(() => late)).toBe("UNAVAILABLE");
  const reader = await open();
  expect(await readAll(reader, room)).toEqual([]);
  await bus.close(); // the lease is not its own to give back
  const leases = await listLeases(await reader.keyValue(LEASE_BUCKET));
  expect(leases.map(({ lease }) => lease.pid)).toContain(4711);
});
