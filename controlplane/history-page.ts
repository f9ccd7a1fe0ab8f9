/**
 * Which stored messages a page of history shows.
 *
 * Pure. The store keeps what its own bounds allow; a class's smaller count and age are applied
 * here, on read. Reads come newest first and are added until the page is full or the end is known.
 */
import type { DurableMessage } from "../bus/bus.ts";
import { comparePositions, type Position } from "../bus/position.ts";
import { isVoid } from "../bus/void.ts";

/** How far back a listing may reach. */
export interface HistoryReach {
  /** The oldest message of the class's count (Bus.floor); null when fewer are stored. */
  readonly floor: Position | null;
  /** Messages stored before this are out of reach, microseconds since 1970. */
  readonly oldestUs: number;
  /** Messages stored later than this after their first try are void (R2), microseconds. */
  readonly voidAfterUs: number;
}

/** How large a page may be. */
export interface PageSize {
  /** Messages, 1 or more. */
  readonly count: number;
  /** Bytes of envelopes, 1 or more; the first message is taken whatever its size. */
  readonly bytes: number;
}

/** A page in the making. */
export interface HistoryPage {
  /** Newest first. */
  readonly messages: readonly DurableMessage[];
  readonly bytes: number;
  /**
   * `open`: more is to be read. `full`: the next older message is in reach, but has no place.
   * `end`: no older message is in reach.
   */
  readonly state: "open" | "full" | "end";
}

/** The page before the first read. */
export const EMPTY_PAGE: HistoryPage = { messages: [], bytes: 0, state: "open" };

/**
 * Adds what a read found.
 *
 * @param found oldest first, each older than those on the page. Void messages are skipped (R2).
 * @param hasMore whether the store has older ones.
 */
export function addToPage(
  page: HistoryPage,
  found: readonly DurableMessage[],
  hasMore: boolean,
  reach: HistoryReach,
  size: PageSize,
): HistoryPage {
  const messages = [...page.messages];
  let bytes = page.bytes;
  for (const message of found.toReversed()) {
    if (isVoid(message, reach)) continue;
    if (!isReached(message, reach)) return { messages, bytes, state: "end" };
    const after = bytes + message.envelope.length;
    const hasPlace = messages.length < size.count && after <= size.bytes;
    if (!hasPlace && messages.length > 0) return { messages, bytes, state: "full" };
    messages.push(message);
    bytes = after;
  }
  return { messages, bytes, state: hasMore ? "open" : "end" };
}

function isReached(message: DurableMessage, reach: HistoryReach): boolean {
  if (message.timeUs < reach.oldestUs) return false;
  return reach.floor === null || comparePositions(message, reach.floor) >= 0;
}
