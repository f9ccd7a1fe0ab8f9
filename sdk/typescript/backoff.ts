/**
 * How long to wait before the next try, and whether to try again at all after a close.
 *
 * Pure: chance is an argument. Full jitter, because a thousand clients of a dead gateway come back at
 * once, and only random times over the whole interval spread them evenly.
 */
import { ERRORS, type ErrorCode } from "./gen/errors.ts";

/** First interval, milliseconds; doubled by every failed try. */
export const BACKOFF_FIRST_MS = 250;
/** Longest interval, milliseconds: beyond it waiting longer relieves nobody. */
export const BACKOFF_MAX_MS = 30_000;

/**
 * The wait before a try, milliseconds.
 *
 * @param failedCount tries that failed in a row, 0 or more.
 * @param retryAfterMs least wait that the gateway asked for; 0 for none.
 * @param random a number from 0 (included) to 1.
 */
export function backoffMs(failedCount: number, retryAfterMs: number, random: number): number {
  const intervalMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failedCount, 30));
  return Math.max(retryAfterMs, Math.floor(random * intervalMs));
}

/**
 * Whether a client connects again after a close with this code.
 *
 * @param closeCode of the WebSocket close; 1005 and 1006 stand for none.
 */
export function mayReconnect(closeCode: number): boolean {
  if (closeCode >= 4500 && closeCode <= 4999) return false;
  return ![1002, 1003, 1007, 1008, 1009].includes(closeCode);
}

/** The error code that has this close code, or CONNECT_FAILED for a break without one. */
export function errorCodeOfClose(closeCode: number): ErrorCode {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    if (ERRORS[code].close === closeCode) return code;
  }
  return "CONNECT_FAILED";
}
