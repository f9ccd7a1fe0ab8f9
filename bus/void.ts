/**
 * R2: which stored messages are void.
 *
 * Bytes can sleep in a frozen process's socket buffer longer than any de-duplication window. So
 * every publish carries the server time of its first try, stored first in the envelope, and a
 * message stored more than 25 s after it is void: every reader skips it, by stored data alone. Two
 * copies that are not void were stored within the 30 s window, where the store drops the second.
 *
 * The window is the store's (Bus.publishLimits); the other times are parts of it, so that all
 * processes agree on them when they agree on the window.
 */
import type { DurableMessage } from "./bus.ts";
import { isEnvelope } from "./envelope.ts";

/** The times of R2, microseconds; each is below the next. */
export interface PublishLimits {
  /**
   * A first try may be dated this far in the future by a clock that is ahead; more is a broken
   * clock. At most what the window has beyond `voidAfterUs`, since the future widens the span in
   * which copies are not void.
   */
  readonly futureUs: number;
  /** A publish is not written to the bus later than this after its first try. */
  readonly budgetUs: number;
  /** A message stored later than this after its first try is void. */
  readonly voidAfterUs: number;
  /** Names are remembered this long. */
  readonly windowUs: number;
}

/** Names are remembered this long unless a test that freezes servers says less. Microseconds. */
export const DEDUPE_WINDOW_US = 30_000_000;

/**
 * The times that follow from a window: with 30 s a budget of 20 s, void after 25 s, 5 s of future.
 *
 * @param windowUs de-duplication window, 3 s or more.
 */
export function publishLimits(windowUs: number): PublishLimits {
  const sixth = Math.floor(windowUs / 6);
  return { futureUs: sixth, budgetUs: 4 * sixth, voidAfterUs: 5 * sixth, windowUs };
}

/** The times of the default window, {@link DEDUPE_WINDOW_US}. */
export const PUBLISH_LIMITS: PublishLimits = publishLimits(DEDUPE_WINDOW_US);

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

/**
 * Whether every reader must skip this message: it was stored later than `voidAfterUs` allows, or
 * holds no envelope, so that no gateway wrote it.
 */
export function isVoid(
  message: DurableMessage,
  { voidAfterUs }: Pick<PublishLimits, "voidAfterUs">,
): boolean {
  if (!isEnvelope(message.envelope)) return true;
  return message.timeUs - readFirstSentUs(message.envelope) > voidAfterUs;
}
