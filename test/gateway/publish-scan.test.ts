/**
 * The fast scan against the generated decoder, over generated frames: what the scan takes, both
 * read alike; what it calls invalid, the decoder refuses, or it is beyond what a number holds.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PublishScan } from "../../gateway/publish-scan.ts";
import { ClientFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { mutated, publishFrames } from "./mutate.ts";

const scan = new PublishScan();

function decode(frame: Buffer): ClientFrame["frame"] | "refused" {
  try {
    return ClientFrame.decode(frame).frame;
  } catch {
    return "refused"; // whatever it throws: the gateway closes with FRAME_INVALID
  }
}

/** Stands for a varint of more than 10 bytes. */
const overlong = 1n << 80n;

/**
 * Whether a frame holds what the scan leaves to the decoder: a group or its end, a field number 0,
 * a tag of more than 32 bits, a varint above 2^53 - 1 where a number or a length stands, or one of
 * more than 10 bytes. Written anew and simply, with BigInt.
 */
function isBeyondScan(frame: Buffer): boolean {
  let at = 1;
  const varint = (): bigint | null => {
    let value = 0n;
    for (let i = 0n; i < 10n; i += 1n) {
      const byte = frame[at];
      if (byte === undefined) return null;
      at += 1;
      value |= BigInt(byte & 0x7f) << (7n * i);
      if (byte < 0x80) return value;
    }
    return overlong;
  };
  const max = BigInt(Number.MAX_SAFE_INTEGER);
  if ((varint() ?? 0n) > max) return true;
  while (at < frame.length) {
    const tag = varint();
    if (tag === null) return false;
    const type = Number(tag & 7n);
    if (tag < 8n || tag > 0xffff_ffffn || type === 3 || type === 4) return true;
    const value = type === 0 || type === 2 ? varint() : 0n;
    if (value === null) return false;
    const isRead = type === 2 || [8n, 16n, 32n].includes(tag);
    if ((isRead && value > max) || value === overlong) return true;
    at += type === 1 ? 8 : type === 5 ? 4 : type === 2 ? Number(value) : 0;
  }
  return false;
}

function compare(frame: Buffer): "publish" | "other" | "invalid" {
  const verdict = scan.scan(frame);
  const decoded = decode(frame);
  if (verdict === "invalid") {
    expect(decoded === "refused" || isBeyondScan(frame)).toBe(true);
  } else if (verdict === "publish") {
    if (decoded === "refused" || decoded?.$case !== "publish") {
      throw new Error(`the scan takes what the decoder reads as ${JSON.stringify(decoded)}`);
    }
    const { requestId, target, producerSeq, firstSentUs, payload, traceparent } = decoded.value;
    // What can be none is as none; bytes that are no ASCII are nobody's traceparent either.
    if (scan.traceparent !== "") expect(scan.traceparent).toHaveLength(55);
    if (/^[\0-\x7f]{55}$/.test(traceparent)) expect(scan.traceparent).toBe(traceparent);
    expect(scan.requestId).toBe(requestId);
    expect(scan.room).toBe(target?.$case === "room" ? target.value : null);
    expect(scan.roomAlias).toBe(target?.$case === "roomAlias" ? target.value : 0);
    expect(scan.producerSeq).toBe(Number(producerSeq));
    expect(scan.firstSentUs).toBe(Number(firstSentUs));
    expect(frame.subarray(scan.payloadStart, scan.payloadEnd).equals(payload)).toBe(true);
  }
  return verdict;
}

describe("PublishScan against the generated decoder", () => {
  test("40 000 Publish frames of honest, repeated, unknown and broken fields", () => {
    const counts = { publish: 0, other: 0, invalid: 0 };
    fc.assert(
      fc.property(publishFrames, (frame) => {
        counts[compare(frame)] += 1;
      }),
      { numRuns: 40_000, seed: 20_261_122 },
    );
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(1000);
  });

  test("20 000 mutations of valid frames, and random bytes", () => {
    const valid = fc.sample(publishFrames, { numRuns: 50, seed: 1 });
    fc.assert(
      fc.property(mutated(valid), (frame) => {
        compare(frame);
      }),
      { numRuns: 20_000, seed: 20_261_122 },
    );
  });

  test("a scan leaves nothing of the one before it", () => {
    const full = "22180805 1a06 6368 6174 3a61 2007 29 0100000000000000 3201 41".replaceAll(
      " ",
      "",
    );
    expect(scan.scan(Buffer.from(full, "hex"))).toBe("publish");
    expect([scan.requestId, scan.room, scan.producerSeq, scan.firstSentUs]).toEqual([
      ...[5, "chat:a", 7, 1],
    ]);
    expect(scan.scan(Buffer.from("2200", "hex"))).toBe("publish");
    const { requestId, room, roomAlias, producerSeq, firstSentUs, payloadStart, payloadEnd } = scan;
    expect([requestId, room, roomAlias, producerSeq, firstSentUs]).toEqual([0, null, 0, 0, 0]);
    expect(payloadEnd - payloadStart).toBe(0);
  });
});
