/**
 * Slow members: a stalled reader costs the others nothing, and gets what its class says.
 *
 * A stalled client pauses its socket; messages are large enough that the kernel's buffers fill and
 * uWebSockets.js starts to drop, which is what is under test.
 */
import { describe, expect, test } from "vitest";
import {
  ActivityAnswer,
  ActivityQuestion,
} from "../../proto/gen/tidegate/bus/v1/activity_question.ts";
import {
  PublishPermission,
  type RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import type { RawClient } from "./raw-client.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

/** Payload of a numbered message; 8 kB, so that some thousand fill any socket buffer. */
function payload(index: number): string {
  return `${index}:`.padEnd(8192, "x");
}

function indexes(client: RawClient, alias: number): number[] {
  return client
    .messages(alias)
    .map((message) => Number.parseInt(message.envelope?.payload.toString() ?? "", 10));
}

function classWith(policy: SlowMemberPolicy, mode: RoomMode): RoomClass {
  const base = defaultRoomClass("tenants/default/roomClasses/slow", mode);
  return { ...base, slowMemberPolicy: policy, publishPermission: PublishPermission.CLIENTS };
}

/** Publishes until the gateway has seen the stalled socket drop out, then `extra` more. */
async function publishUntilLagging(
  gateway: TestGateway,
  sender: RawClient,
  room: string,
  extra: number,
): Promise<number> {
  let index = 0;
  let after = 0;
  while (after < extra) {
    const ids = Array.from({ length: 50 }, () => {
      index += 1;
      return sender.publish({ room, seq: index, payload: payload(index) });
    });
    await Promise.all(ids.map((id) => sender.ack(id)));
    if (gateway.gateway.stats().laggedCount > 0) after += 50;
    if (index > 20_000) throw new Error("the stalled socket never dropped out");
  }
  return index;
}

/** Connections that are behind, as operators are told. */
async function slowOnes({ bus }: TestGateway) {
  const question = { tenant: "default", roomLimit: 0, connectionLimit: 5 };
  const body = ActivityQuestion.encode(question).finish();
  const answer = ActivityAnswer.decode(await bus.ask(bus.self.id, "activity", body, 5000));
  for (const { bufferedBytes } of answer.slowConnections) expect(bufferedBytes).toBeGreaterThan(0n);
  return answer.slowConnections;
}

describe("slow members", () => {
  test("resync: a stalled durable member gets exactly what it missed, others see no pause", async () => {
    const gateway = await testGateway();
    const [sender, stalled, healthy] = await Promise.all([
      gateway.client(),
      gateway.client(),
      gateway.client(),
    ]);
    const { roomAlias: alias } = await stalled.join("chat:flood");
    const { roomAlias: quiet } = await stalled.join("chat:quiet");
    await healthy.join("chat:flood");
    stalled.socket.pause();
    const count = await publishUntilLagging(gateway, sender, "chat:flood", 500);
    expect(await slowOnes(gateway)).toMatchObject([
      { connection: stalled.welcome?.connectionId, tenant: "default", roomCount: 2 },
    ]);
    await sender.ack(sender.publish({ room: "chat:quiet", seq: 1, payload: "psst" }));
    await healthy.texts(alias, count);
    const all = Array.from({ length: count }, (_, i) => i + 1);
    expect(indexes(healthy, alias)).toEqual(all);
    expect(gateway.gateway.stats().laggedCount).toBe(1);
    stalled.socket.resume();
    await stalled.texts(alias, count);
    expect(await stalled.texts(quiet, 1)).toEqual(["psst"]);
    await sender.ack(sender.publish({ room: "chat:flood", seq: count + 1, payload: payload(0) }));
    await stalled.texts(alias, count + 1);
    expect(indexes(stalled, alias)).toEqual([...all, 0]);
    expect(stalled.frames.some((frame) => frame.$case === "gap")).toBe(false);
  });

  test("gap: a stalled ephemeral member is told how many it missed, exactly", async () => {
    const gateway = await testGateway();
    const [sender, stalled] = await Promise.all([gateway.client(), gateway.client()]);
    const { roomAlias: alias } = await stalled.join("live:flood");
    stalled.socket.pause();
    const count = await publishUntilLagging(gateway, sender, "live:flood", 500);
    stalled.socket.resume();
    const gap = await stalled.next("gap");
    await sender.ack(sender.publish({ room: "live:flood", payload: payload(count + 1) }));
    await stalled.next("message", (m) => m.ephemeralSeq === BigInt(count + 1));
    const received = indexes(stalled, alias);
    expect(received.length).toBe(count + 1 - Number(gap.missedCount));
    expect(Number(gap.missedCount)).toBeGreaterThanOrEqual(400);
    const firstPart = received.slice(0, -1);
    expect(firstPart).toEqual(firstPart.map((_, i) => i + 1)); // a prefix, then the gap, then live
    const kinds = stalled.frames.flatMap((f) =>
      f.$case === "gap" || f.$case === "message" ? [f.$case] : [],
    );
    expect(kinds.indexOf("gap")).toBe(firstPart.length);
  });

  test("gap: a durable class may drop instead of resynchronising", async () => {
    const gateway = await testGateway();
    await gateway.putClass("slow", classWith(SlowMemberPolicy.GAP, RoomMode.DURABLE));
    const [sender, stalled] = await Promise.all([gateway.client(), gateway.client()]);
    const { roomAlias: alias } = await stalled.join("slow:flood");
    stalled.socket.pause();
    const count = await publishUntilLagging(gateway, sender, "slow:flood", 300);
    stalled.socket.resume();
    const gap = await stalled.next("gap");
    const before = indexes(stalled, alias);
    expect(before).toEqual(before.map((_, i) => i + 1));
    expect(gap.after).toEqual(stalled.messages(alias).at(-1)?.position);
    const seq = count + 1;
    await sender.ack(sender.publish({ room: "slow:flood", seq, payload: payload(seq) }));
    await stalled.texts(alias, before.length + 1);
    expect(indexes(stalled, alias).at(-1)).toBe(seq);
  });

  test("disconnect: a class may close slow members, who then resume", async () => {
    const gateway = await testGateway();
    await gateway.putClass("slow", classWith(SlowMemberPolicy.DISCONNECT, RoomMode.DURABLE));
    const [sender, stalled] = await Promise.all([gateway.client(), gateway.client()]);
    const { roomAlias: alias } = await stalled.join("slow:flood");
    stalled.socket.pause();
    const count = await publishUntilLagging(gateway, sender, "slow:flood", 100);
    stalled.socket.resume();
    expect((await stalled.closed).code).toBe(4002);
    const last = stalled.messages(alias).at(-1);
    const received = indexes(stalled, alias);
    const again = await gateway.client();
    const joined = await again.join("slow:flood", { after: last?.position });
    expect(joined.recovered).toBe(true);
    await again.texts(alias, count - received.length);
    expect([...received, ...indexes(again, alias)]).toEqual(
      Array.from({ length: count }, (_, i) => i + 1),
    );
  });

  test("resync: repeated stalls in several busy rooms lose and double nothing", async () => {
    const gateway = await testGateway({ options: { backpressureBytesMax: 16 * 1024 } });
    const [sender, stalled] = await Promise.all([gateway.client(), gateway.client()]);
    const rooms = ["chat:a", "chat:b", "chat:c"];
    const aliases = [];
    for (const room of rooms) aliases.push((await stalled.join(room)).roomAlias);
    const counts = rooms.map(() => 0);
    const publishSome = async () => {
      const ids = Array.from({ length: 300 }, (_, i) => {
        const r = (i * 7) % 3;
        const seq = (counts[r] ?? 0) + 1;
        counts[r] = seq;
        return sender.publish({ room: rooms[r], seq, payload: payload(seq) });
      });
      await Promise.all(ids.map((id) => sender.ack(id)));
    };
    for (let round = 0; round < 4; round += 1) {
      stalled.socket.pause();
      // As many as this machine's socket buffers need, and on.
      const { laggedCount } = gateway.gateway.stats();
      for (let turn = 0; gateway.gateway.stats().laggedCount === laggedCount; turn += 1) {
        if (turn === 60) throw new Error("the stalled socket never dropped out");
        await publishSome();
      }
      await publishSome();
      stalled.socket.resume();
      if (round === 1) await publishSome(); // while it drains
      await stalled.settle();
      await Promise.all(aliases.map((alias, r) => stalled.texts(alias, counts[r] ?? 0)));
    }
    for (const [r, alias] of aliases.entries()) {
      await stalled.texts(alias, counts[r] ?? 0);
      const expected = Array.from({ length: counts[r] ?? 0 }, (_, i) => i + 1);
      expect(indexes(stalled, alias)).toEqual(expected);
    }
    expect(gateway.gateway.stats().laggedCount).toBeGreaterThanOrEqual(4);
    expect(gateway.logged).toEqual([]);
  });

  test("answers: a client that never reads its answers is closed, others go on", async () => {
    const gateway = await testGateway();
    const [sender, deaf] = await Promise.all([gateway.client(), gateway.client()]);
    await sender.join("chat:pages");
    for (let seq = 1; seq <= 100; seq += 1) {
      await sender.ack(sender.publish({ room: "chat:pages", seq, payload: payload(seq) }));
    }
    deaf.socket.pause();
    for (let i = 0; i < 400; i += 1) {
      const target = { $case: "room" as const, value: "chat:pages" };
      const requestId = deaf.nextId();
      deaf.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 100 } });
    }
    await sender.settle();
    deaf.socket.resume();
    // 1006: it came back later than a closing socket is kept for the close frame.
    expect([4002, 1006]).toContain((await deaf.closed).code);
    await sender.settle();
  });
});
