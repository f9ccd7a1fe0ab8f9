/**
 * A storm: clients join, leave, publish, read history, stall, go on and vanish, at random and all
 * at once, with small buffers. Whatever a member receives keeps the promises of its room: nothing
 * before Joined, nothing after Left, durable messages without a hole, ephemeral ones with every
 * hole told.
 */
import { expect, test } from "vitest";
import { seededRandom } from "./lossy-bus.ts";
import type { RawClient } from "./raw-client.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

const rooms = ["chat:s1", "chat:s2", "chat:s3", "live:s1", "live:s2"];
const clientCount = 10;
const roundCount = 120;

/** A client with what it has to remember between its random steps. */
interface Actor {
  readonly client: RawClient;
  readonly seqs: Map<string, number>;
}

/** What is wrong with what a client received, if anything. */
function findFaults({ frames }: RawClient): string[] {
  const faults: string[] = [];
  /** By alias while joined: the last seq, null before the first message. */
  const last = new Map<number, { seq: bigint | null; isEphemeral: boolean; missed: bigint }>();
  for (const [i, frame] of frames.entries()) {
    if (frame.$case === "joined") {
      const isEphemeral = frame.value.policy?.durable === false;
      last.set(frame.value.roomAlias, { seq: null, isEphemeral, missed: 0n });
    } else if (frame.$case === "left") {
      last.delete(frame.value.roomAlias);
    } else if (frame.$case === "gap") {
      const place = last.get(frame.value.roomAlias);
      if (place === undefined) faults.push(`${i}: a Gap of an alias that is not joined`);
      else if (!place.isEphemeral) faults.push(`${i}: a Gap in a durable room`);
      else place.missed += frame.value.missedCount;
    } else if (frame.$case === "message") {
      const { roomAlias, position, prevSeq, ephemeralSeq } = frame.value;
      const place = last.get(roomAlias);
      if (place === undefined) {
        faults.push(`${i}: a Message of alias ${roomAlias}, which is not joined`);
        continue;
      }
      const seq = place.isEphemeral ? ephemeralSeq : (position?.seq ?? 0n);
      const before = place.isEphemeral ? ephemeralSeq - 1n - place.missed : prevSeq;
      if (place.seq !== null && before !== place.seq) {
        faults.push(`${i}: alias ${roomAlias} has ${seq} after ${before}, had ${place.seq}`);
      }
      Object.assign(place, { seq, missed: 0n });
    }
  }
  return faults;
}

/** Aliases that are joined at the end. */
function joinedAliases({ frames }: RawClient): Set<number> {
  const joined = new Set<number>();
  for (const frame of frames) {
    if (frame.$case === "joined") joined.add(frame.value.roomAlias);
    if (frame.$case === "left") joined.delete(frame.value.roomAlias);
  }
  return joined;
}

function publish({ client, seqs }: Actor, room: string, payload: string): void {
  const seq = (seqs.get(room) ?? 0) + 1;
  seqs.set(room, seq);
  client.publish({ room, seq, payload });
}

/** One random step. */
function act(actor: Actor, random: () => number): void {
  const { client } = actor;
  const room = rooms[Math.floor(random() * rooms.length)] ?? "chat:s1";
  const dice = random();
  if (dice < 0.15) {
    const history = random() < 0.5 ? Math.floor(random() * 200) : 0;
    client.sendJoin([{ room, after: undefined, history }]);
  } else if (dice < 0.25) {
    const aliases = [...joinedAliases(client)];
    const roomAlias = aliases[Math.floor(random() * aliases.length)] ?? 0;
    client.send({ $case: "leave", value: { requestId: client.nextId(), roomAlias } });
  } else if (dice < 0.65) {
    const count = Math.floor(random() * 30);
    for (let i = 0; i < count; i += 1) publish(actor, room, "x".repeat(200 + random() * 6000));
  } else if (dice < 0.7) {
    const target = { $case: "room" as const, value: "chat:s1" };
    const value = { requestId: client.nextId(), target, cursor: undefined, limit: 5 };
    client.send({ $case: "history", value });
  } else if (dice < 0.85) {
    client.socket.pause();
  } else {
    client.socket.resume();
  }
}

async function openActor(gateway: TestGateway): Promise<Actor> {
  return { client: await gateway.client(), seqs: new Map() };
}

/** A round trip, or the end: a slow consumer was closed, and what it has is judged all the same. */
async function settleOrEnd(client: RawClient): Promise<void> {
  const id = client.nextId();
  client.send({ $case: "ping", value: { id } });
  await client.nextCount(0, (frame) => frame.$case === "pong" && frame.value.id === id);
}

/** Everybody reads again, until a last message has come in every room that is still joined. */
async function finish(gateway: TestGateway, actors: readonly Actor[]): Promise<void> {
  for (const { client } of actors) client.socket.resume();
  const marker = await openActor(gateway);
  const isOpen = (client: RawClient) => client.socket.readyState === client.socket.OPEN;
  const isEnd = (payload: Buffer | undefined) => payload?.toString() === "the end";
  for (const { client } of actors) {
    await settleOrEnd(client);
    for (const alias of joinedAliases(client)) {
      const room = client.frames.flatMap((f) => (f.$case === "joined" ? [f.value] : []));
      const name = room.find((each) => each.roomAlias === alias)?.room ?? "";
      const hasEnded = () => client.messages(alias).some((m) => isEnd(m.envelope?.payload));
      // A live room drops what comes while its member still reads what it missed elsewhere.
      while (isOpen(client) && !hasEnded()) {
        publish(marker, name, "the end");
        await marker.client.settle();
        await settleOrEnd(client);
      }
    }
  }
  await marker.client.close();
}

test.each([1, 2, 3])(
  "storm: every member's promises hold and nothing is left, seed %i",
  async (seed) => {
    const gateway = await testGateway({ options: { backpressureBytesMax: 32 * 1024 } });
    const random = seededRandom(seed);
    const actors = await Promise.all(Array.from({ length: clientCount }, () => openActor(gateway)));
    const gone: RawClient[] = [];
    const asker = await gateway.client();
    // One member sleeps through it all: its socket is sure to fill, and it gets everything later.
    const sleeper = await openActor(gateway);
    for (const room of rooms) await sleeper.client.join(room);
    sleeper.client.socket.pause();
    for (let round = 0; round < roundCount; round += 1) {
      for (const [i, actor] of actors.entries()) {
        const isOver = actor.client.socket.readyState !== actor.client.socket.OPEN;
        if (!isOver && random() > 0.01) {
          act(actor, random);
          continue;
        }
        gone.push(actor.client);
        actor.client.socket.terminate();
        actors[i] = await openActor(gateway);
      }
      await asker.settle();
    }
    expect(gateway.gateway.stats().laggedCount).toBeGreaterThan(0);
    actors.push(sleeper);
    await finish(gateway, actors);
    for (const client of [...gone, ...actors.map((each) => each.client)]) {
      expect(findFaults(client)).toEqual([]);
    }
    for (const { client } of actors) client.socket.terminate();
    while (gateway.gateway.stats().connectionCount > 1) await asker.settle();
    while (gateway.gateway.stats().laneCount > 0) await asker.settle();
    expect(gateway.gateway.stats()).toMatchObject({ connectionCount: 1, memberCount: 0 });
    expect(gateway.logged).toEqual([]);
  },
);
