/**
 * R2: which stored messages are void.
 *
 * Bytes can sleep in a frozen process's socket buffer longer than any de-duplication window. So
 * every publish carries the server time of its first try, stored first in the envelope, and a
 * message stored more than 25 s after it is void: every reader skips it, by stored data alone. Two
 * copies that are not void were stored within the 30 s window, where the store drops the second.
 */
import type { DurableMessage } from "./bus.ts";

/** A publish is not written to the bus later than this after its first try. Microseconds. */
export const PUBLISH_BUDGET_US = 20_000_000;
/** A message stored later than this after its first try is void. Microseconds. */
export const VOID_AFTER_US = 25_000_000;
/** Names are remembered this long; must exceed VOID_AFTER_US. Microseconds. */
export const DEDUPE_WINDOW_US = 30_000_000;

/** Envelope.first_sent_us: field 1, wire type 64-bit, always first. */
const firstSentTag = 0x09;

/**
 * Reads `first_sent_us` in place, microseconds; 0 when the envelope has none.
 */
export function readFirstSentUs(envelope: Uint8Array): number {
  if (envelope.length < 9 || envelope[0] !== firstSentTag) return 0;
  const view = new DataView(envelope.buffer, envelope.byteOffset, envelope.byteLength);
  return view.getUint32(1, true) + view.getInt32(5, true) * 0x1_0000_0000;
}

/** Whether every reader must skip this message. */
export function isVoid(message: DurableMessage): boolean {
  const firstSentUs = readFirstSentUs(message.envelope);
  return firstSentUs > 0 && message.timeUs - firstSentUs > VOID_AFTER_US;
}
