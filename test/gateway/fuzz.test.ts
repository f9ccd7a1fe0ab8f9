/**
 * The gateway under mutated frames: it lives, a bystander's rooms go on, connections end only with
 * documented codes, and nothing of them is left. Frames that were found to be tricky are in
 * test/corpus/client-frames.txt and are replayed. Decoders alone: publish-scan.test.ts,
 * server-frames.test.ts.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ERRORS } from "../../proto/gen/errors.ts";
import { encode, type Hostile, honestFrames, openHostile } from "./hostile.ts";
import { mutated, publishFrames } from "./mutate.ts";
import { RawClient } from "./raw-client.ts";

/** Connections, and frames sent on each: 1 200 x 25 = 30 000. */
const connectionCount = 1200;
const framesEach = 25;

let gateway: Hostile;
beforeAll(async () => {
  gateway = await openHostile();
});
afterAll(() => gateway.close());

/** Closes that a hostile client may see; 0: the connection goes on. */
const closeCodes = new Set<number>([
  0,
  ERRORS.FRAME_INVALID.close,
  ERRORS.HELLO_EXPECTED.close,
  ERRORS.PROTOCOL_UNSUPPORTED.close,
  ERRORS.TOKEN_INVALID.close,
  ERRORS.FRAME_TOO_LARGE.close,
]);

/**
 * Valid frames that change state: joins, publishes, leaves, history, in rooms of the fuzz's own.
 */
function seeds(): Buffer[] {
  const rooms = ["chat:f1", "chat:f2", "live:f1", "chat:*", "live:>"];
  const frames = rooms.flatMap((room, i) => [
    encode({
      $case: "join",
      value: { requestId: i + 1, rooms: [{ room, after: undefined, history: 5 }] },
    }),
    encode({ $case: "leave", value: { requestId: i + 20, roomAlias: i + 3 } }),
    encode({
      $case: "publish",
      value: {
        requestId: i + 40,
        target: { $case: "room", value: room },
        producerSeq: BigInt(i + 1),
        firstSentUs: BigInt(Date.now() * 1000),
        traceparent: "",
        payload: Buffer.from("fuzz"),
      },
    }),
    encode({
      $case: "history",
      value: {
        requestId: i + 60,
        target: { $case: "roomAlias", value: i + 3 },
        cursor: { $case: "before", value: { epoch: 1, seq: 9n, timeUs: 9n } },
        limit: 3,
      },
    }),
  ]);
  const many = rooms.map((room) => ({ room, after: undefined, history: 1 }));
  const joinAll = encode({ $case: "join", value: { requestId: 90, rooms: many } });
  return [...frames, joinAll, ...honestFrames().map(({ bytes }) => bytes)];
}

async function expectDocumented(frames: readonly Buffer[]): Promise<void> {
  const { closeCode, errors } = await gateway.outcome(frames);
  expect(closeCodes).toContain(closeCode);
  for (const code of errors) {
    expect(Object.keys(ERRORS)).toContain(code);
    expect(code).not.toBe("INTERNAL");
  }
}

async function expectNothingLeft(): Promise<void> {
  const asker = await RawClient.open(gateway.port);
  const isLeft = () => {
    const { connectionCount: connections, memberCount, laneCount } = gateway.gateway.stats();
    return connections > 3 || memberCount > 2 || laneCount > 0;
  };
  while (isLeft()) await asker.settle();
  await asker.close();
  expect(gateway.gateway.stats().memberCount).toBe(2);
  expect(await gateway.unexpected()).toEqual([]);
  expect(gateway.logged).toEqual([]);
}

describe("mutated frames on live connections", () => {
  test(`${connectionCount * framesEach} frames: documented ends, and nothing is left`, async () => {
    const frames = fc.oneof(
      { weight: 3, arbitrary: mutated(seeds()) },
      { weight: 1, arbitrary: publishFrames },
    );
    let sent = 0;
    const batches = fc.array(frames, { minLength: framesEach, maxLength: framesEach });
    await fc.assert(
      fc.asyncProperty(batches, async (batch) => {
        sent += batch.length;
        await expectDocumented(batch);
      }),
      { numRuns: connectionCount, seed: 20_261_122, endOnFailure: true },
    );
    expect(sent).toBe(connectionCount * framesEach);
    await expectNothingLeft();
  });

  test("mutated first frames, in place of Hello: documented ends, and nothing is left", async () => {
    const hello = honestFrames()[0]?.bytes ?? Buffer.alloc(0);
    await fc.assert(
      fc.asyncProperty(mutated([hello]), async (bytes) => {
        const { closeCode, errors } = await gateway.greeting([bytes]);
        expect(closeCodes).toContain(closeCode);
        expect(errors).not.toContain("INTERNAL");
      }),
      { numRuns: 400, seed: 20_261_122, endOnFailure: true },
    );
    await expectNothingLeft();
  });
});

describe("corpus", () => {
  const file = path.join(import.meta.dirname, "../corpus/client-frames.txt");
  const lines = readFileSync(file, "utf8").split("\n");
  const entries = lines.flatMap((line) => {
    const [hex = "", expected = "", ...about] = line.split(/\s+/);
    if (hex === "" || hex === "#") return [];
    return [{ hex: hex === "-" ? "" : hex, expected, about: about.join(" ") }];
  });

  test.each(entries)("$about: $expected", async ({ hex, expected }) => {
    const { closeCode, errors } = await gateway.outcome([Buffer.from(hex, "hex")]);
    expect(expected).toBe(errors[0] ?? (closeCode === 0 ? "ignored" : String(closeCode)));
    await expectNothingLeft();
  });
});
