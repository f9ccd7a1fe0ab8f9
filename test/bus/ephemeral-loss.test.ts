/**
 * Ephemeral messages lost between processes: every loss is told, in its place, and no false one.
 *
 * A real nats-server, and a proxy before one process that loses what the test says.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import {
  EphemeralReader,
  encodeMessage,
  encodeTail,
  FrameKind,
} from "../../bus/nats/ephemeral-frame.ts";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { outSubject } from "../../bus/nats/wire.ts";
import type { RoomAddress } from "../../bus/subjects.ts";
import { type NatsCluster, startNats } from "../../deploy/nats/cluster.ts";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { collectLeftovers } from "../leftovers.ts";
import { codeOf, envelopeOf, newRoom, Recorder } from "./contract-tools.ts";
import { NatsProxy } from "./nats-proxy.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-eph-"));
let nats: NatsCluster;
let busCount = 0;

beforeAll(async () => {
  nats = await startNats(findNatsServer(process.env.NATS_SERVER ?? "", console.error), folder, 1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const atEnd = collectLeftovers();
async function openBus(url = nats.urls[0] ?? ""): Promise<Bus> {
  busCount += 1;
  const bus = await openNatsBus({ servers: [url], name: `eph-${busCount}` });
  atEnd(() => bus.close());
  return bus;
}

/** A bus whose way to NATS is in the test's hands. */
async function openProxied(): Promise<{ bus: Bus; proxy: NatsProxy }> {
  const proxy = await NatsProxy.start(nats.urls[0] ?? "");
  atEnd(() => proxy.stop()); // after the bus: without its way a close waits for its lease
  const bus = await openBus(proxy.url);
  return { bus, proxy };
}

async function openRaw(): Promise<NatsConnection> {
  const connection = await connect({ servers: nats.urls });
  atEnd(() => connection.close());
  return connection;
}

/** Listens, and resolves when NATS knows: it hears what came over the same connection later. */
async function listen(bus: Bus, room: RoomAddress): Promise<Recorder> {
  const recorder = new Recorder();
  bus.subscribeRoom(room, recorder);
  const probe = new Recorder();
  const probed = newRoom("probe", "live");
  const leave = bus.subscribeRoom(probed, probe);
  bus.publish(probed, envelopeOf("probe"));
  await probe.ephemeralCount(1);
  leave();
  return recorder;
}

function publish(bus: Bus, room: RoomAddress, ...texts: string[]): void {
  for (const text of texts) bus.publish(room, envelopeOf(text));
}

/** A first message, so that the publisher is known in each room. */
async function settle(publisher: Bus, ...pairs: [RoomAddress, Recorder][]): Promise<void> {
  for (const [room] of pairs) publish(publisher, room, "first");
  for (const [, recorder] of pairs) await recorder.ephemeralCount(1);
}

/** What a proxy is to lose: messages with one of these texts, and tails as `loseTail` says. */
function loseTexts(
  texts: readonly string[],
  loseTail: () => boolean = () => false,
): (subject: string, payload: Buffer) => boolean {
  const reader = new EphemeralReader();
  return (_, payload) => {
    if (!reader.read(payload)) return false;
    if (reader.kind !== FrameKind.MESSAGE) return loseTail();
    return texts.includes(payload.subarray(14).toString());
  };
}

test.concurrent("gap: messages lost among others are told in their place, by number", async () => {
  const { bus, proxy } = await openProxied();
  const room = newRoom("gap", "live");
  const recorders = [await listen(await openBus(), room), await listen(bus, room)];
  await settle(bus, ...recorders.map((each): [RoomAddress, Recorder] => [room, each]));
  proxy.losePublished = loseTexts(["b", "c", "e"]);
  publish(bus, room, "a", "b", "c", "d", "e", "f");
  for (const recorder of recorders) {
    await recorder.ephemeralCount(5);
    // The publisher's own process hears of it as everyone does.
    expect(recorder.texts.slice(-3)).toEqual(["a", "d", "f"]);
    const at = recorder.texts.indexOf("a");
    expect(recorder.losses).toEqual([
      { missedCount: 2, after: at + 1 },
      { missedCount: 1, after: at + 2 },
    ]);
  }
});

test.concurrent("tail: a lost last message is told, and again nothing when it was the only one", async () => {
  const { bus, proxy } = await openProxied();
  const [room, other] = [newRoom("tail", "live"), newRoom("tail-other", "live")];
  const member = await openBus();
  const recorder = await listen(member, room);
  const calm = await listen(member, other);
  await settle(bus, [room, recorder], [other, calm]);
  proxy.losePublished = loseTexts(["last", "later"]);
  publish(bus, room, "last", "later");
  publish(bus, other, "calm");
  await recorder.lossCount(1);
  expect(recorder.losses).toEqual([{ missedCount: 2, after: 1 }]);
  publish(bus, room, "next");
  await recorder.ephemeralCount(2);
  expect(recorder.losses).toHaveLength(1);
  expect(calm.losses).toEqual([]);
});

test.concurrent("tail: lost with the message, the second one tells", async () => {
  const { bus, proxy } = await openProxied();
  const room = newRoom("tail2", "live");
  const recorder = await listen(await openBus(), room);
  await settle(bus, [room, recorder]);
  let tailCount = 0;
  proxy.losePublished = loseTexts(["last"], () => {
    tailCount += 1;
    return tailCount === 1;
  });
  publish(bus, room, "last");
  await recorder.lossCount(1);
  expect(tailCount).toBe(2);
  expect(recorder.losses).toEqual([{ missedCount: 1, after: 1 }]);
});

test.concurrent("tail: the first message of a room is lost: told to who listened, no one else", async () => {
  const { bus, proxy } = await openProxied();
  const room = newRoom("only", "live");
  const early = await openBus();
  const recorder = await listen(early, room);
  const clock = newRoom("clock", "live");
  const ticking = await listen(early, clock);
  await passTime(bus, clock, ticking, 1200); // listened to for longer than a message may take
  proxy.losePublished = loseTexts(["only"]);
  publish(bus, room, "only");
  const late = await listen(await openBus(), room);
  await recorder.lossCount(1);
  expect(recorder.losses).toEqual([{ missedCount: 1, after: 0 }]);
  publish(bus, room, "next");
  await late.ephemeralCount(1);
  expect(late.losses).toEqual([]);
}, 20_000);

test.concurrent("late listener: what was before it is no loss", async () => {
  const bus = await openBus();
  const room = newRoom("late", "live");
  publish(bus, room, "a", "b", "c");
  const recorder = await listen(await openBus(), room);
  const other = await listen(bus, room);
  publish(bus, room, "d", "e");
  await recorder.ephemeralCount(2);
  await passTime(bus, room, other, 1800); // past both tails
  expect(recorder.losses).toEqual([]);
  expect(other.losses).toEqual([]);
}, 20_000);

test.concurrent("origin dies: who had traffic from it lately is told, others are not", async () => {
  const { bus, proxy } = await openProxied();
  const alive = await openBus();
  const member = await openBus();
  const [room, old, foreign] = [
    newRoom("dies", "live"),
    newRoom("dies-old", "live"),
    newRoom("dies-foreign", "live"),
  ];
  const [recent, early, others] = [
    await listen(member, room),
    await listen(member, old),
    await listen(member, foreign),
  ];
  await settle(bus, [room, recent], [old, early]);
  await settle(alive, [foreign, others]);
  await passTime(bus, room, recent, 2500);
  proxy.kill();
  const killedMs = performance.now();
  await recent.lossCount(1);
  expect(performance.now() - killedMs).toBeLessThan(10_000);
  expect(recent.losses).toEqual([{ missedCount: 0, after: recent.texts.length }]);
  expect([early.losses, others.losses]).toEqual([[], []]);
  expect(member.status().counters?.origins_died).toBe(1);
}, 20_000);

test.concurrent("origin is silent, its connection open: told too, and counted on when it is back", async () => {
  const { bus, proxy } = await openProxied();
  const room = newRoom("silent", "live");
  const recorder = await listen(await openBus(), room);
  await settle(bus, [room, recorder]);
  proxy.freeze();
  publish(bus, room, "frozen");
  await recorder.lossCount(1);
  expect(recorder.losses).toEqual([{ missedCount: 0, after: 1 }]);
  proxy.thaw();
  await recorder.ephemeralCount(2);
  expect(recorder.texts).toEqual(["first", "frozen"]);
}, 20_000);

test.concurrent("origin stops as planned: nobody is alarmed", async () => {
  const bus = await openBus();
  const { bus: dying, proxy } = await openProxied();
  const member = await openBus();
  const [calm, alarmed] = [newRoom("stops", "live"), newRoom("stops-not", "live")];
  const recorders = [await listen(member, calm), await listen(member, alarmed)] as const;
  await settle(bus, [calm, recorders[0]]);
  await settle(dying, [alarmed, recorders[1]]);
  await bus.close();
  publish(dying, alarmed, "later than the other's end");
  await recorders[1].ephemeralCount(2);
  proxy.kill();
  await recorders[1].lossCount(1); // silent for less long than the other
  expect(recorders[0].losses).toEqual([]);
}, 20_000);

test.concurrent("short outage: what others sent meanwhile is counted, and nothing else is told", async () => {
  const { bus: member, proxy } = await openProxied();
  const bus = await openBus();
  const [room, quiet] = [newRoom("short", "live"), newRoom("short-quiet", "live")];
  const recorder = await listen(member, room);
  const calm = await listen(member, quiet);
  await settle(bus, [room, recorder], [quiet, calm]);
  proxy.loseReceived = loseTexts(["a", "b"]); // on their way when the connection ends
  publish(bus, room, "a", "b");
  proxy.cut();
  await recorder.lossCount(1);
  expect(recorder.losses).toEqual([{ missedCount: 2, after: 1 }]);
  publish(bus, room, "c");
  publish(bus, quiet, "c");
  await recorder.ephemeralCount(2);
  await calm.ephemeralCount(2);
  expect(recorder.losses).toHaveLength(1);
  expect(calm.losses).toEqual([]);
}, 20_000);

test.concurrent("own messages that die with the connection: told by number when it is back", async () => {
  const { bus, proxy } = await openProxied();
  const room = newRoom("own", "live");
  const recorder = await listen(await openBus(), room);
  await settle(bus, [room, recorder]);
  proxy.losePublished = loseTexts(["a", "b", "c"]);
  publish(bus, room, "a", "b", "c");
  await listen(bus, newRoom("beside", "live")); // they were written before
  proxy.cut();
  proxy.losePublished = () => false;
  await recorder.lossCount(1);
  expect(recorder.losses).toEqual([{ missedCount: 3, after: 1 }]);
}, 20_000);

test.concurrent("long outage: every room is told when it is over; publishes are refused meanwhile", async () => {
  const { bus, proxy } = await openProxied();
  const rooms = [newRoom("long-a", "live"), newRoom("long-b", "live")];
  const recorders = await Promise.all(rooms.map((room) => listen(bus, room)));
  const changes: boolean[] = [];
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  const { promise: isCut, resolve: cut } = Promise.withResolvers<void>();
  bus.followCutOff((isCutOff) => {
    changes.push(isCutOff);
    if (isCutOff) cut();
    else resolve();
  });
  await settle(bus, [rooms[0] as RoomAddress, recorders[0] as Recorder]);
  proxy.freeze();
  await isCut;
  expect(bus.isCutOff).toBe(true);
  expect(bus.status().isConnected).toBe(false);
  expect(await codeOf(() => publish(bus, rooms[0] as RoomAddress, "x"))).toBe("UNAVAILABLE");
  proxy.cut();
  proxy.thaw();
  await isOver;
  expect(changes).toEqual([true, false]);
  await untilHeld(bus);
  expect(bus.status().isConnected).toBe(true);
  for (const recorder of recorders) {
    expect(recorder.losses.map(({ missedCount }) => missedCount)).toEqual([0]);
  }
  publish(bus, rooms[0] as RoomAddress, "after");
  await recorders[0]?.ephemeralCount(2);
  expect(recorders[0]?.losses).toHaveLength(1);
}, 20_000);

test.concurrent("garbage: bytes of foreign publishers are counted, dropped, and mislead nobody", async () => {
  const bus = await openBus();
  const member = await openBus();
  const room = newRoom("garbage", "live");
  const recorder = await listen(member, room);
  await settle(bus, [room, recorder]);
  const raw = await openRaw();
  const good = encodeMessage(7, 0, 1, envelopeOf("x"));
  const bad = [
    new Uint8Array(0),
    envelopeOf("text that is much longer than any prefix"),
    good.subarray(0, 13),
    encodeMessage(7, 0, 0, envelopeOf("seq 0")),
    encodeMessage(0, 0, 1, envelopeOf("no origin")),
    Uint8Array.from(good, (byte, i) => (i === 1 ? 9 : byte)),
    encodeTail(FrameKind.TAIL, 7, 0, 1, 0).subarray(0, 14),
  ];
  for (const bytes of bad) raw.publish(outSubject(room, 1), bytes);
  await raw.flush();
  publish(bus, room, "after");
  await recorder.ephemeralCount(2);
  expect(recorder.texts).toEqual(["first", "after"]);
  expect(recorder.losses).toEqual([]);
  expect(member.status().troubles?.foreign_message).toBe(bad.length);
});

test.concurrent("forged numbers: told as a loss, and the true ones count again soon", async () => {
  const bus = await openBus();
  const room = newRoom("forged", "live");
  const recorder = await listen(await openBus(), room);
  const raw = await openRaw();
  const reader = new EphemeralReader();
  let isRead = false;
  raw.subscribe(outSubject(room, 1), {
    callback: (_error, { data }) => {
      isRead ||= reader.read(data);
    },
  });
  await raw.flush();
  await settle(bus, [room, recorder]);
  await vi.waitUntil(() => isRead); // the forger has to know the origin, too
  raw.publish(
    outSubject(room, 1),
    encodeMessage(reader.origin, 0, 1_000_000, envelopeOf("forged")),
  );
  await recorder.ephemeralCount(2);
  expect(recorder.losses).toEqual([{ missedCount: 999_998, after: 1 }]);
  publish(bus, room, "swallowed");
  await recorder.lossCount(2); // two tails, some time apart, tell otherwise
  expect(recorder.losses[1]).toEqual({ missedCount: 0, after: 2 });
  publish(bus, room, "true");
  await recorder.ephemeralCount(3);
  expect(recorder.texts).toEqual(["first", "forged", "true"]);
}, 20_000);

/** Resolves when the lease is renewed after a reconnect: before it nothing is published (R12). */
async function untilHeld(bus: Bus): Promise<void> {
  const { lease } = bus as NatsBus;
  await new Promise<void>((resolve) => {
    const look = () => {
      if (lease.state === "held") resolve();
    };
    lease.onChange(look);
    look();
  });
}

/** Publishes to a room, one message at a time, until this much time has passed. */
async function passTime(
  bus: Bus,
  room: RoomAddress,
  recorder: Recorder,
  ms: number,
): Promise<void> {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    const heardCount = recorder.texts.length;
    publish(bus, room, "tick");
    await recorder.ephemeralCount(heardCount + 1);
  }
}
