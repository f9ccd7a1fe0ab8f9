/**
 * Numbers and positions that no honest client sends, and those that honest clients send after a
 * backup was restored: each has its documented answer, and the connection goes on.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { encode, type Hostile, openHostile, wrap, write } from "./hostile.ts";
import type { RawClient } from "./raw-client.ts";

let gateway: Hostile;
/** Messages 1 to 20 are in chat:numbers. */
let client: RawClient;
let positions: { epoch: number; seq: bigint; timeUs: bigint }[] = [];
const target = { $case: "room" as const, value: "chat:numbers" };

beforeAll(async () => {
  gateway = await openHostile();
  client = await gateway.client();
  const ids = Array.from({ length: 20 }, (_, i) =>
    client.publish({ room: "chat:numbers", seq: i + 1, payload: `m${i + 1}` }),
  );
  const acks = await Promise.all(ids.map((id) => client.ack(id)));
  positions = acks.flatMap((ack) => (ack.position === undefined ? [] : [ack.position]));
});
afterAll(() => gateway.close());

async function expectUnaffected(): Promise<void> {
  expect(await gateway.unexpected()).toEqual([]);
  expect(gateway.logged).toEqual([]);
}

const uint64Max = 2n ** 64n - 1n;
const int64Max = 2n ** 63n - 1n;
const int64Min = -(2n ** 63n);
const uint32Max = 2 ** 32 - 1;

describe("positions", () => {
  const hourUs = 3_600_000_000n;

  function foreign() {
    const [first, last] = [positions[4], positions.at(-1)];
    if (first === undefined || last === undefined) throw new Error("no positions");
    return {
      "in the future by seq": { ...last, seq: last.seq + 1000n },
      "in the future by seq and time": {
        ...last,
        seq: last.seq + 9n,
        timeUs: last.timeUs + hourUs,
      },
      "with another time": { ...first, timeUs: first.timeUs + 1n },
      "with a time in the future": { ...first, timeUs: first.timeUs + hourUs },
      "of epoch 0": { ...first, epoch: 0 },
      "of a later epoch": { ...first, epoch: 2 },
      "of the last epoch": { ...first, epoch: uint32Max },
      "of seq 0": { ...first, seq: 0n },
      "of seq 2^53": { ...first, seq: 2n ** 53n },
      "of seq 2^63": { ...first, seq: 2n ** 63n },
      "of seq 2^64 - 1": { ...first, seq: uint64Max },
      "of a negative time": { ...first, timeUs: -1n },
      "of the largest time": { ...first, timeUs: int64Max },
      "of the smallest time": { ...first, timeUs: int64Min },
      "of largest everything": { epoch: uint32Max, seq: uint64Max, timeUs: int64Max },
      "of nothing": { epoch: 0, seq: 0n, timeUs: 0n },
    };
  }

  test.each(Object.keys(foreignNames()))(
    "a position %s: recovered false, then the newest and live ones",
    async (name) => {
      const after = foreign()[name as keyof ReturnType<typeof foreign>];
      const member = await gateway.client();
      const joined = await member.join("chat:numbers", { after, history: 3 });
      expect(joined.recovered).toBe(false);
      expect([GapReason.RETENTION, GapReason.POSITION_UNKNOWN]).toContain(joined.loss);
      expect(await member.texts(joined.roomAlias, 3)).toEqual(["m18", "m19", "m20"]);
      for (const cursor of ["after", "before"] as const) {
        const requestId = member.nextId();
        const value = { requestId, target, cursor: { $case: cursor, value: after }, limit: 50 };
        member.send({ $case: "history", value });
        const page = await member.next("historyPage", (each) => each.requestId === requestId);
        if (cursor === "after") expect([page.recovered, page.messages.length]).toEqual([false, 20]);
        else expect(page.recovered).toBeUndefined();
      }
      await member.close();
      await expectUnaffected();
    },
  );

  test("any position in an ephemeral room: recovered false, EPHEMERAL", async () => {
    const member = await gateway.client();
    const after = { epoch: uint32Max, seq: uint64Max, timeUs: int64Min };
    const joined = await member.join("live:numbers", { after, history: uint32Max });
    expect([joined.recovered, joined.loss]).toEqual([false, GapReason.EPHEMERAL]);
    await member.close();
    await expectUnaffected();
  });

  /** The names alone, before there are positions. */
  function foreignNames() {
    positions = Array.from({ length: 20 }, () => ({ epoch: 1, seq: 1n, timeUs: 1n }));
    return foreign();
  }
});

describe("numbers", () => {
  test("History.limit beyond every bound is lowered, and 0 is the default", async () => {
    for (const limit of [0, 500, 501, uint32Max]) {
      const requestId = client.nextId();
      client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit } });
      const page = await client.next("historyPage", (each) => each.requestId === requestId);
      expect([page.messages.length, page.hasMore]).toEqual([20, false]);
    }
    await expectUnaffected();
  });

  test("JoinRoom.history beyond every bound is lowered", async () => {
    const member = await gateway.client();
    const { roomAlias } = await member.join("chat:numbers", { history: uint32Max });
    expect((await member.texts(roomAlias, 20)).length).toBe(20);
    await member.close();
    await expectUnaffected();
  });

  test("an alias that is not joined: NOT_JOINED, from every frame", async () => {
    for (const alias of [0, 1, 999_999, 2 ** 31, uint32Max]) {
      const byAlias = { $case: "roomAlias" as const, value: alias };
      const rest = { producerSeq: 1n, firstSentUs: 1n, traceparent: "", payload: Buffer.alloc(0) };
      const frames = [
        encode({ $case: "publish", value: { requestId: 1, target: byAlias, ...rest } }),
        encode({ $case: "leave", value: { requestId: 2, roomAlias: alias } }),
        encode({
          $case: "history",
          value: { requestId: 3, target: byAlias, cursor: undefined, limit: 0 },
        }),
      ];
      const { closeCode, errors } = await gateway.outcome(frames, 3);
      expect([closeCode, errors]).toEqual([0, ["NOT_JOINED", "NOT_JOINED", "NOT_JOINED"]]);
    }
    await expectUnaffected();
  });

  test("request_id 0 where an answer is due, no rooms, too many rooms: REQUEST_INVALID", async () => {
    const room = { room: "chat:numbers", after: undefined, history: 0 };
    const many = Array.from({ length: 257 }, (_, i) => ({ ...room, room: `chat:${i}` }));
    const now = BigInt(Date.now() * 1000);
    const publish = {
      target,
      producerSeq: 99n,
      firstSentUs: now,
      traceparent: "",
      payload: Buffer.alloc(1),
    };
    const frames = [
      encode({ $case: "join", value: { requestId: 0, rooms: [room] } }),
      encode({ $case: "join", value: { requestId: 1, rooms: [] } }),
      encode({ $case: "join", value: { requestId: 1, rooms: many } }),
      wrap(2, Buffer.concat([Buffer.from([8, 1]), Buffer.from("1200".repeat(16_000), "hex")])),
      encode({ $case: "history", value: { requestId: 0, target, cursor: undefined, limit: 1 } }),
      encode({
        $case: "history",
        value: { requestId: 1, target: undefined, cursor: undefined, limit: 1 },
      }),
      encode({ $case: "publish", value: { requestId: 0, ...publish } }),
    ];
    const { closeCode, errors } = await gateway.outcome(frames, frames.length);
    expect([closeCode, errors]).toEqual([0, frames.map(() => "REQUEST_INVALID")]);
    await expectUnaffected();
  });

  test.each([
    { name: "producer_seq 0", seq: 0n, code: "REQUEST_INVALID" },
    { name: "producer_seq 2^53", seq: 2n ** 53n, code: "REQUEST_INVALID" },
    { name: "producer_seq 2^64 - 1", seq: uint64Max, code: "REQUEST_INVALID" },
    { name: "first_sent_us 0", sent: () => 0n, code: "REQUEST_INVALID" },
    { name: "first_sent_us -1", sent: () => -1n, code: "REQUEST_INVALID" },
    { name: "first_sent_us smallest", sent: () => int64Min, code: "REQUEST_INVALID" },
    { name: "first_sent_us largest", sent: () => int64Max, code: "REQUEST_INVALID" },
    { name: "first_sent_us in 6 s", sent: (n: bigint) => n + 6_000_000n, code: "REQUEST_INVALID" },
    {
      name: "first_sent_us 21 s ago",
      sent: (n: bigint) => n - 21_000_000n,
      code: "OUTCOME_UNKNOWN",
    },
    { name: "first_sent_us 1", sent: () => 1n, code: "OUTCOME_UNKNOWN" },
  ])("a durable publish with $name: $code, by both decoders", async ({ seq, sent, code }) => {
    const now = BigInt(Date.now() * 1000);
    const value = {
      requestId: 5,
      target,
      producerSeq: seq ?? 77n,
      traceparent: "",
      payload: Buffer.from("x"),
    };
    const firstSentUs = sent === undefined ? now : sent(now);
    const bytes = encode({ $case: "publish", value: { ...value, firstSentUs } });
    const generic = Buffer.concat([wrap(15, Buffer.alloc(1)), bytes]);
    const { closeCode, errors } = await gateway.outcome([bytes, generic], 2);
    expect([closeCode, errors]).toEqual([0, [code, code]]);
    await expectUnaffected();
  });

  test("an ephemeral publish with implausible numbers is passed on with the gateway's time", async () => {
    const member = await gateway.client();
    const { roomAlias: alias } = await member.join("live:numbers");
    const sentUs = [0n, -1n, int64Min, int64Max, 1n];
    const live = { $case: "room" as const, value: "live:numbers" };
    const before = BigInt(Date.now() * 1000);
    const frames = sentUs.map((firstSentUs) =>
      encode({
        $case: "publish",
        value: {
          requestId: 0,
          target: live,
          producerSeq: uint64Max,
          firstSentUs,
          traceparent: "",
          payload: Buffer.from("x"),
        },
      }),
    );
    expect(await gateway.outcome(frames)).toMatchObject({ closeCode: 0, errors: [] });
    await member.texts(alias, sentUs.length);
    for (const { envelope } of member.messages(alias)) {
      expect(envelope?.firstSentUs).toBeGreaterThanOrEqual(before);
      expect(envelope?.firstSentUs).toBeLessThanOrEqual(BigInt(Date.now() * 1000));
      expect(envelope?.producerSeq).toBe(0n);
    }
    await member.close();
    await expectUnaffected();
  });

  test("32-bit fields written with 10 bytes are cut to 32 bits, by both decoders", async () => {
    const all = Buffer.from([0x08, ...Array(9).fill(0xff), 0x01]);
    const live = write((writer) => writer.uint32((3 << 3) | 2).string("live:numbers"));
    const frame = wrap(4, Buffer.concat([all, live]));
    const generic = Buffer.concat([wrap(15, Buffer.alloc(1)), frame]);
    for (const bytes of [frame, generic]) {
      const { closeCode, frames } = await gateway.outcome([bytes], 1);
      const ids = frames.map((each) => each.$case === "publishAck" && each.value.requestId);
      expect([closeCode, ids]).toEqual([0, [uint32Max]]);
    }
    await expectUnaffected();
  });
});
