/** bench/load: frames by hand are what a real WebSocket library sends and understands. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { buildPayload, PAYLOAD_BYTES, readSeq, stampPayload } from "../../bench/load/payload.ts";
import { PublishWriter, readAckRequestId } from "../../bench/load/publish-writer.ts";
import { encodeClientFrame, type FrameSink, scanFrames } from "../../bench/load/websocket.ts";
import { ClientFrame, ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";

/** A server's frame: as a client's, without the mask. */
function serverFrame(content: Uint8Array): Buffer {
  const frame = encodeClientFrame(content);
  const maskAt = frame.length - content.length - 4;
  frame[1] = (frame[1] ?? 0) & 0x7f;
  return Buffer.concat([frame.subarray(0, maskAt), content]);
}

class Collector implements FrameSink {
  readonly seqs: number[] = [];
  readonly controlSizes: number[] = [];
  onDelivery(view: DataView, at: number): void {
    this.seqs.push(readSeq(view, at));
  }
  onControl(_opcode: number, start: number, end: number): void {
    this.controlSizes.push(end - start);
  }
}

describe("scanFrames", () => {
  const content = fc.oneof(
    fc.record({
      head: fc.integer({ min: 0, max: 70_000 }),
      seq: fc.integer({ min: 1, max: 2 ** 31 }),
    }),
    fc.record({ control: fc.integer({ min: 0, max: 90 }) }),
  );

  test("scanFrames: finds every frame once, in order, however the bytes are cut", () => {
    const run = (contents: readonly object[], cuts: readonly number[]): void => {
      const wanted = new Collector();
      const stream = Buffer.concat(
        contents.map((one) => {
          if ("control" in one) {
            wanted.controlSizes.push(one.control as number);
            return serverFrame(Buffer.alloc(one.control as number, 7));
          }
          const { head, seq } = one as { head: number; seq: number };
          wanted.seqs.push(seq);
          const payload = buildPayload(1);
          stampPayload(payload, 0, seq, 5);
          return serverFrame(Buffer.concat([Buffer.alloc(head, 9), payload]));
        }),
      );
      const ends = [...new Set(cuts.map((cut) => cut % (stream.length + 1)))].sort((a, b) => a - b);
      const found = new Collector();
      let rest = Buffer.alloc(0);
      let from = 0;
      for (const end of [...ends, stream.length]) {
        const bytes = Buffer.concat([rest, stream.subarray(from, end)]);
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
        rest = bytes.subarray(scanFrames(view, bytes.length, found));
        from = end;
      }
      expect(rest.length).toBe(0);
      expect(found).toEqual(wanted);
    };
    fc.assert(
      fc.property(fc.array(content, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 12 }), run),
      {
        numRuns: 300,
      },
    );
  });
});

describe("PublishWriter", () => {
  test("PublishWriter: the generated decoder reads back what was written, for every size", () => {
    const number = fc.integer({ min: 1, max: 2 ** 31 - 1 });
    const time = fc.integer({ min: 1, max: 2 ** 52 });
    const run = (name: string, requestId: number, seq: number, firstSentUs: number): void => {
      const payload = buildPayload(3);
      const writer = new PublishWriter(`chat:${name}`, payload);
      const out = Buffer.alloc(writer.frameBytesMax + 10);
      const end = writer.write(out, 10, requestId, seq, firstSentUs);
      const size = out.readUInt16BE(12);
      expect(end).toBe(10 + 8 + size);
      const { frame } = ClientFrame.decode(out.subarray(18, end));
      expect(frame).toEqual({
        $case: "publish",
        value: {
          requestId,
          target: { $case: "room", value: `chat:${name}` },
          producerSeq: BigInt(seq),
          firstSentUs: BigInt(firstSentUs),
          payload,
          traceparent: "",
        },
      });
    };
    const name = fc.string({ minLength: 1, maxLength: 180, unit: "grapheme-ascii" });
    fc.assert(fc.property(name, number, number, time, run), { numRuns: 300 });
  });

  test("readAckRequestId: reads any ack's id, and nothing else", () => {
    const ack = (requestId: number): Uint8Array => {
      const position = { epoch: 1, seq: 9n, timeUs: 8n };
      const value = { requestId, position, traceId: "", duplicate: false };
      return ServerFrame.encode({ frame: { $case: "publishAck", value } }).finish();
    };
    for (const id of [1, 127, 128, 16_384, 2 ** 31 - 1]) expect(readAckRequestId(ack(id))).toBe(id);
    const pong = { $case: "pong", value: { id: 5, serverTimeUs: 1n } } as const;
    expect(readAckRequestId(ServerFrame.encode({ frame: pong }).finish())).toBe(0);
  });
});

test("buildPayload: is as long as the shapes say", () => {
  expect(buildPayload(0).length).toBe(PAYLOAD_BYTES);
});
