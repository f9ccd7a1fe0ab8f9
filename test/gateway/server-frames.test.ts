/**
 * Frames written by hand are, byte for byte in meaning, what the generated code reads and writes.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LimitError } from "../../gateway/limit-error.ts";
import {
  encodeErrorFrame,
  encodePublishAck,
  encodeServerFrame,
  MessageFrameWriter,
  readFrameMark,
} from "../../gateway/server-frames.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { ERRORS, type ErrorCode } from "../../proto/gen/errors.ts";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import { safeNumbers } from "./mutate.ts";

const uint32 = fc.oneof(fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1), fc.nat());
const alias = uint32.filter((value) => value > 0);
const positions = fc.record({ epoch: alias, seq: safeNumbers, timeUs: safeNumbers });
const envelopes = fc
  .record({ user: fc.string({ maxLength: 20 }), payload: fc.uint8Array({ maxLength: 300 }) })
  .map(({ user, payload }) =>
    Envelope.encode({
      firstSentUs: 5n,
      user,
      producer: Buffer.alloc(16, 3),
      producerSeq: 9n,
      traceparent: "",
      payload: Buffer.from(payload),
    }).finish(),
  );
const runs = { numRuns: 10_000, seed: 20_261_122 };
const sampled = `00-${"ab".repeat(16)}-${"cd".repeat(8)}-01`;

/** The numbers of a position as the generated code has them. */
function wire({ epoch, seq, timeUs }: { epoch: number; seq: number; timeUs: number }) {
  return { epoch, seq: BigInt(seq), timeUs: BigInt(timeUs) };
}

describe("MessageFrameWriter", () => {
  const writer = new MessageFrameWriter();

  test("durable: decodes to alias, position, prev_seq and envelope, and its mark is read", () => {
    fc.assert(
      fc.property(alias, positions, safeNumbers, envelopes, (room, position, prevSeq, envelope) => {
        const traceparent = prevSeq % 2 === 0 ? "" : sampled;
        const bytes = writer.durable(room, position, prevSeq, envelope, traceparent);
        const value = {
          roomAlias: room,
          position: wire(position),
          prevSeq: BigInt(prevSeq),
          envelope: Envelope.decode(envelope),
          ephemeralSeq: 0n,
          traceparent,
        };
        expect(ServerFrame.decode(bytes).frame).toEqual({ $case: "message", value });
        expect(readFrameMark(bytes)).toEqual({ alias: room, seq: position.seq });
      }),
      runs,
    );
  });

  test("ephemeral: decodes to alias, count and envelope, and its mark is read", () => {
    fc.assert(
      fc.property(alias, safeNumbers, envelopes, (room, count, envelope) => {
        const traceparent = count % 2 === 0 ? "" : sampled;
        const bytes = writer.ephemeral(room, count, envelope, traceparent);
        const value = {
          roomAlias: room,
          position: undefined,
          prevSeq: 0n,
          envelope: Envelope.decode(envelope),
          ephemeralSeq: BigInt(count),
          traceparent,
        };
        expect(ServerFrame.decode(bytes).frame).toEqual({ $case: "message", value });
        expect(readFrameMark(bytes)).toEqual({ alias: room, seq: count });
      }),
      runs,
    );
  });

  test("an envelope larger than the buffer grows it, and small ones after it are whole", () => {
    const make = (bytes: number) => Buffer.alloc(bytes, 7);
    for (const bytes of [10, 65_500, 65_536, 1_000_000, 3, 1_048_576]) {
      const payload = make(bytes);
      const envelope = Envelope.encode({
        ...{
          firstSentUs: 1n,
          user: "",
          producer: Buffer.alloc(0),
          producerSeq: 0n,
          traceparent: "",
          payload,
        },
      }).finish();
      const frame = ServerFrame.decode(new MessageFrameWriter().ephemeral(1, 1, envelope)).frame;
      expect(frame?.$case === "message" && frame.value.envelope?.payload.equals(payload)).toBe(
        true,
      );
    }
  });
});

describe("readFrameMark", () => {
  test("a Gap's alias is read, other frames have none", () => {
    const gap = { roomAlias: 300, reason: 1, missedCount: 7n, after: undefined } as const;
    const bytes = encodeServerFrame({ $case: "gap", value: gap });
    expect(readFrameMark(bytes)).toEqual({ alias: 300, seq: 0 });
    const pong = encodeServerFrame({ $case: "pong", value: { id: 5, serverTimeUs: 9n } });
    expect(readFrameMark(pong)).toEqual({ alias: 0, seq: 0 });
  });

  test("any bytes at all give numbers and no exception: uWS hands in what a client sent as a ping", () => {
    const begun = fc.tuple(fc.constantFrom(0x2a, 0x32), fc.uint8Array({ maxLength: 30 }));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      begun.map(([tag, rest]) => Uint8Array.of(tag, ...rest)),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        const mark = readFrameMark(given);
        expect([typeof mark.alias, typeof mark.seq]).toEqual(["number", "number"]);
      }),
      runs,
    );
  });
});

describe("encodePublishAck", () => {
  test("the bytes of the generated code, with and without position", () => {
    const maybe = fc.option(positions, { nil: null });
    fc.assert(
      fc.property(alias, maybe, fc.boolean(), (requestId, position, duplicate) => {
        const place = position === null ? undefined : wire(position);
        const traceId = requestId % 2 === 0 ? "" : "ab".repeat(16);
        const value = { requestId, position: place, duplicate, traceId };
        const bytes = encodePublishAck(requestId, position, duplicate, traceId);
        expect(ServerFrame.decode(bytes).frame).toEqual({ $case: "publishAck", value });
      }),
      runs,
    );
  });
});

describe("encodeErrorFrame", () => {
  test("every code carries its retry advice", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const bytes = encodeErrorFrame(7, new CodedError(code, "because"), "chat:a");
      const { retry, retryAfterMs } = ERRORS[code];
      const value = {
        ...{ requestId: 7, code, message: "because", room: "chat:a", retryAfterMs },
        ...{ retryable: retry !== "no", limit: "", limitValue: 0n, traceId: "" },
      };
      expect(ServerFrame.decode(bytes).frame).toEqual({ $case: "error", value });
    }
  });

  test("a refusal by a quota names it, with its value", () => {
    const error = new LimitError("LIMIT_REACHED", "connections-per-user", 5, "no sixth");
    const { frame } = ServerFrame.decode(encodeErrorFrame(0, error));
    const said = { limit: "connections-per-user", limitValue: 5n, retryAfterMs: 5000 };
    expect(frame?.value).toMatchObject({ code: "LIMIT_REACHED", retryable: true, ...said });
  });
});
