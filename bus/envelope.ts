/**
 * The envelope: what the gateway writes around a payload, built once and never decoded on the way.
 *
 * Written by hand because it is made once per publish on the hot path; the bytes are exactly
 * tidegate.client.v1.Envelope: `first_sent_us` first, always present; then, if the message is
 * sampled, `traceparent`, so that one byte at a fixed place tells, and no client can forge it.
 */

import { varintSize, writeVarint } from "../proto/varint.ts";
import {
  parseTraceparent,
  type SpanContext,
  TRACEPARENT_LENGTH,
} from "../telemetry/tracing/trace-context.ts";

/** What goes into an envelope beside the payload. */
export interface EnvelopeFields {
  /** Server time of the first try, microseconds; 1 or more. */
  readonly firstSentUs: number;
  /** The authenticated user; empty when anonymous. */
  readonly user: string;
  /** 16 bytes as a latin1 string, or empty. */
  readonly producer: string;
  /** The producer's count in the room, 0 when none was given. */
  readonly producerSeq: number;
}

/** Where `traceparent` stands, if there is one: behind `first_sent_us`. */
const traceAt = 9;
/** Tag of traceparent: field 6, length-delimited. */
const traceTag = 0x32;

/**
 * Encodes an envelope around `payload[start, end)`, copying it.
 *
 * Hot path, once per publish. Budget: one buffer.
 *
 * @param traceparent of the span that publishes it; empty: not sampled.
 */
export function encodeEnvelope(
  fields: EnvelopeFields,
  payload: Uint8Array,
  start = 0,
  end = payload.length,
  traceparent = "",
): Uint8Array {
  const userBytes = fields.user === "" ? 0 : Buffer.byteLength(fields.user);
  const payloadBytes = end - start;
  let size = traceAt;
  if (traceparent !== "") size += 2 + TRACEPARENT_LENGTH;
  if (userBytes > 0) size += 1 + varintSize(userBytes) + userBytes;
  if (fields.producer !== "") size += 2 + fields.producer.length;
  if (fields.producerSeq > 0) size += 1 + varintSize(fields.producerSeq);
  if (payloadBytes > 0) size += 1 + varintSize(payloadBytes) + payloadBytes;

  const bytes = Buffer.allocUnsafe(size);
  bytes[0] = 0x09; // first_sent_us: field 1, 64-bit
  bytes.writeUInt32LE(fields.firstSentUs % 0x1_0000_0000, 1);
  bytes.writeInt32LE(Math.floor(fields.firstSentUs / 0x1_0000_0000), 5);
  let at = traceAt;
  if (traceparent !== "") {
    bytes[at] = traceTag;
    bytes[at + 1] = TRACEPARENT_LENGTH;
    at += 2;
    at += bytes.write(traceparent, at, "latin1");
  }
  if (userBytes > 0) {
    bytes[at] = 0x12; // user: field 2, length-delimited
    at = writeVarint(bytes, at + 1, userBytes);
    at += bytes.write(fields.user, at);
  }
  if (fields.producer !== "") {
    bytes[at] = 0x1a; // producer: field 3, length-delimited
    bytes[at + 1] = fields.producer.length;
    at += 2;
    at += bytes.write(fields.producer, at, "latin1");
  }
  if (fields.producerSeq > 0) {
    bytes[at] = 0x20; // producer_seq: field 4, varint
    at = writeVarint(bytes, at + 1, fields.producerSeq);
  }
  if (payloadBytes > 0) {
    bytes[at] = 0x2a; // payload: field 5, length-delimited, always last
    at = writeVarint(bytes, at + 1, payloadBytes);
    bytes.set(start === 0 && end === payload.length ? payload : payload.subarray(start, end), at);
  }
  return bytes;
}

/** Whether the message in an envelope is sampled. Hot path, once per message and gateway. */
export function isTraced(envelope: Uint8Array): boolean {
  return envelope[traceAt] === traceTag;
}

/** The traceparent of an envelope that {@link isTraced}; empty when it is none. */
export function traceparentOf(envelope: Uint8Array): string {
  const start = traceAt + 2;
  if (envelope[traceAt + 1] !== TRACEPARENT_LENGTH) return "";
  const { buffer, byteOffset, length } = envelope;
  return Buffer.from(buffer, byteOffset, length).toString(
    "latin1",
    start,
    start + TRACEPARENT_LENGTH,
  );
}

/** The span that has published an envelope; null when it is not sampled. */
export function traceOf(envelope: Uint8Array): SpanContext | null {
  return isTraced(envelope) ? parseTraceparent(traceparentOf(envelope)) : null;
}

/**
 * Whether bytes are an envelope: `first_sent_us` first, then whole fields to the end. Hot path,
 * once per message and gateway. A foreign publisher's junk is none; what a client could not decode
 * must not reach it.
 */
export function isEnvelope(bytes: Uint8Array): boolean {
  if (bytes.length < 9 || bytes[0] !== 0x09) return false;
  let at = 9;
  while (at < bytes.length) {
    const tag = bytes[at] ?? 0;
    if (tag >= 0x80 || tag < 0x08) return false; // fields 1 to 15 are enough
    const after = skipField(bytes, at + 1, tag & 7);
    if (after < 0 || after > bytes.length) return false;
    at = after;
  }
  return true;
}

/** Where a field's value ends, or -1. */
function skipField(bytes: Uint8Array, from: number, wireType: number): number {
  if (wireType === 1) return from + 8;
  if (wireType === 5) return from + 4;
  if (wireType !== 0 && wireType !== 2) return -1;
  let value = 0;
  let at = from;
  for (let factor = 1; ; factor *= 128) {
    const byte = bytes[at];
    if (byte === undefined || at - from >= 10) return -1;
    value += (byte & 0x7f) * factor;
    at += 1;
    if (byte < 0x80) break;
  }
  return wireType === 0 ? at : at + value;
}
