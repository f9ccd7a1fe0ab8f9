/**
 * Rooms end to end on one gateway: join, publish, fan out, resume, history, leave.
 */
import { describe, expect, test } from "vitest";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { position } from "./raw-client.ts";
import { testGateway } from "./start-gateway.ts";

describe("join and publish", () => {
  test("publish: reaches every member once and in order, with position and sender", async () => {
    const { client } = await testGateway();
    const [alice, bob] = [await client(), await client()];
    const joinedA = await alice.join("chat:lobby");
    const joinedB = await bob.join("chat:lobby");
    expect(joinedB.roomAlias).toBe(joinedA.roomAlias);
    expect(joinedB.recovered).toBeUndefined();
    const texts = Array.from({ length: 50 }, (_, i) => `m${i}`);
    const ids = texts.map((payload, i) =>
      alice.publish({ alias: joinedA.roomAlias, seq: i + 1, payload }),
    );
    const acks = await Promise.all(ids.map((id) => alice.ack(id)));
    expect(await bob.texts(joinedB.roomAlias, 50)).toEqual(texts);
    expect(await alice.texts(joinedA.roomAlias, 50)).toEqual(texts);
    const messages = bob.messages(joinedB.roomAlias);
    expect(messages.map((m) => m.position)).toEqual(acks.map((ack) => ack.position));
    const prev = messages.map((m) => m.prevSeq);
    expect(prev).toEqual([0n, ...messages.slice(0, -1).map((m) => m.position?.seq)]);
    expect(messages[0]?.envelope?.producerSeq).toBe(1n);
    expect(messages[0]?.envelope?.producer.length).toBe(16);
  });

  test("publish: the same name twice is stored and delivered once", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const { roomAlias: alias } = await alice.join("chat:lobby");
    const firstSentUs = Date.now() * 1000;
    const first = await alice.ack(alice.publish({ alias, seq: 1, firstSentUs, payload: "x" }));
    const again = await alice.ack(alice.publish({ alias, seq: 1, firstSentUs, payload: "x" }));
    expect(again).toEqual({ ...first, requestId: again.requestId, duplicate: true });
    await alice.ack(alice.publish({ alias, seq: 2, payload: "y" }));
    expect(await alice.texts(alias, 2)).toEqual(["x", "y"]);
  });

  test("publish: ephemeral rooms need no ack and count what they pass on", async () => {
    const { client } = await testGateway();
    const [alice, bob] = [await client(), await client()];
    const { roomAlias: alias } = await bob.join("live:game");
    alice.publish({ requestId: 0, room: "live:game", payload: "a" });
    const ack = await alice.ack(alice.publish({ room: "live:game", payload: "b" }));
    expect(ack.position).toBeUndefined();
    expect(await bob.texts(alias, 2)).toEqual(["a", "b"]);
    expect(bob.messages(alias).map((m) => m.ephemeralSeq)).toEqual([1n, 2n]);
    expect(bob.messages(alias)[0]?.position).toBeUndefined();
    expect(alice.frames.filter((frame) => frame.$case === "publishAck").length).toBe(1);
  });

  test("join: one frame joins many rooms, and each is answered", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const names = Array.from({ length: 100 }, (_, i) => `chat:r${i}`);
    const requestId = alice.sendJoin([
      ...names.map((room) => ({ room, after: undefined, history: 0 })),
      { room: "nonsense", after: undefined, history: 0 },
    ]);
    const error = await alice.next("error", (each) => each.requestId === requestId);
    expect([error.code, error.room]).toEqual(["ROOM_NAME_INVALID", "nonsense"]);
    for (const name of names) await alice.next("joined", (each) => each.room === name);
    const aliases = alice.frames.flatMap((f) => (f.$case === "joined" ? [f.value.roomAlias] : []));
    expect(new Set(aliases).size).toBe(100);
  });

  test("leave: ends the membership, and the room can be joined again", async () => {
    const { client } = await testGateway();
    const [alice, bob] = [await client(), await client()];
    const { roomAlias: alias } = await alice.join("live:a");
    const requestId = alice.nextId();
    alice.send({ $case: "leave", value: { requestId, roomAlias: alias } });
    expect((await alice.next("left")).requestId).toBe(requestId);
    await bob.ack(bob.publish({ room: "live:a", payload: "unheard" }));
    const id = alice.publish({ alias, payload: "x" });
    expect((await alice.error(id)).code).toBe("NOT_JOINED");
    await alice.join("live:a");
    await bob.ack(bob.publish({ room: "live:a", payload: "heard" }));
    expect(await alice.texts(alias, 1)).toEqual(["heard"]);
  });
});

describe("resume", () => {
  test("join after a position: exactly the missed messages follow, then live ones", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const { roomAlias: alias } = await alice.join("chat:lobby");
    const texts = Array.from({ length: 1200 }, (_, i) => `m${i}`);
    const send = async (from: number, to: number) => {
      const ids = texts
        .slice(from, to)
        .map((payload, i) => alice.publish({ alias, seq: from + i + 1, payload }));
      return Promise.all(ids.map((id) => alice.ack(id)));
    };
    const acks = [...(await send(0, 300)), ...(await send(300, 1000))];
    const bob = await client();
    const joined = await bob.join("chat:lobby", { after: acks[99]?.position });
    expect([joined.recovered, joined.head]).toEqual([true, acks[999]?.position]);
    await send(1000, 1200);
    expect(await bob.texts(joined.roomAlias, 1100)).toEqual(texts.slice(100));
    await bob.settle();
    const messages = bob.messages(joined.roomAlias);
    expect(messages.length).toBe(1100);
    expect(messages[0]?.prevSeq).toBe(acks[99]?.position?.seq);
  });

  test("join after a position while others publish: nothing missed, nothing doubled", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const { roomAlias: alias } = await alice.join("chat:busy");
    let seq = 0;
    const publishSome = async (count: number) => {
      const ids = Array.from({ length: count }, () => {
        seq += 1;
        return alice.publish({ alias, seq, payload: String(seq) });
      });
      return Promise.all(ids.map((id) => alice.ack(id)));
    };
    const [first] = await publishSome(400);
    const joiners = await Promise.all(Array.from({ length: 8 }, () => client()));
    const publishing = (async () => {
      for (let i = 0; i < 20; i += 1) await publishSome(100);
    })();
    const joined = await Promise.all(
      joiners.map((joiner) => joiner.join("chat:busy", { after: first?.position })),
    );
    await publishing;
    const expected = Array.from({ length: 2399 }, (_, i) => String(i + 2));
    for (const [i, joiner] of joiners.entries()) {
      expect(joined[i]?.recovered).toBe(true);
      expect(await joiner.texts(alias, 2399)).toEqual(expected);
    }
  });

  test("join after a position that no history has: recovered false with the reason", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const { roomAlias: alias } = await alice.join("chat:lobby");
    const acks = [];
    for (let seq = 1; seq <= 3; seq += 1) {
      acks.push(await alice.ack(alice.publish({ alias, seq, payload: `m${seq}` })));
    }
    const last = acks[2]?.position;
    const seq = Number(last?.seq);
    const nowUs = Date.now() * 1000;
    const unknown = [
      position(1, seq + 1000, nowUs),
      position(7, 1, nowUs),
      position(1, seq, nowUs - 5),
      position(0, 0, 0),
      { epoch: 0xffff_ffff, seq: 0xffff_ffff_ffff_ffffn, timeUs: -1n },
      { epoch: 1, seq: 1n, timeUs: 0x7fff_ffff_ffff_ffffn },
    ];
    for (const after of unknown) {
      const bob = await client();
      const joined = await bob.join("chat:lobby", { after, history: 2 });
      expect(joined.recovered).toBe(false);
      expect([GapReason.POSITION_UNKNOWN, GapReason.RETENTION]).toContain(joined.loss);
      expect(await bob.texts(joined.roomAlias, 2)).toEqual(["m2", "m3"]);
    }
    const bob = await client();
    const joined = await bob.join("live:x", { after: last });
    expect([joined.recovered, joined.loss]).toEqual([false, GapReason.EPHEMERAL]);
  });

  test("history: pages back and forth within the room", async () => {
    const { client } = await testGateway();
    const alice = await client();
    const { roomAlias: alias } = await alice.join("chat:lobby");
    const ids = Array.from({ length: 25 }, (_, i) =>
      alice.publish({ alias, seq: i + 1, payload: `m${i}` }),
    );
    await Promise.all(ids.map((id) => alice.ack(id)));
    const ask = async (
      cursor: Parameters<typeof alice.send>[0] extends infer F
        ? F extends { $case: "history"; value: { cursor: infer C } }
          ? C
          : never
        : never,
    ) => {
      const requestId = alice.nextId();
      const target = { $case: "room" as const, value: "chat:lobby" };
      alice.send({ $case: "history", value: { requestId, target, cursor, limit: 10 } });
      return alice.next("historyPage", (page) => page.requestId === requestId);
    };
    const read = (page: Awaited<ReturnType<typeof ask>>) =>
      page.messages.map((message) => message.envelope?.payload.toString());
    const newest = await ask(undefined);
    expect([newest.hasMore, read(newest)]).toEqual([true, names(15, 25)]);
    const first = newest.messages[0]?.position;
    const older = await ask(first && { $case: "before", value: first });
    expect([older.hasMore, read(older)]).toEqual([true, names(5, 15)]);
    const oldFirst = older.messages[0]?.position;
    const oldest = await ask(oldFirst && { $case: "before", value: oldFirst });
    expect([oldest.hasMore, read(oldest)]).toEqual([false, names(0, 5)]);
    const next = await ask(oldFirst && { $case: "after", value: oldFirst });
    expect([next.recovered, next.hasMore, read(next)]).toEqual([true, true, names(6, 16)]);
  });
});

function names(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `m${from + i}`);
}
