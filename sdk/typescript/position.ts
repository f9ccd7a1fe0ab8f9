/**
 * Positions: where a message stands in a durable room, as text that can be saved and handed back.
 *
 * Text rather than an object because that is what gets stored, logged and passed on a command line,
 * and because opaque things should compare by `===`.
 */
import { TidegateError } from "./error.ts";
import type { Position as WirePosition } from "./gen/tidegate/client/v1/message.ts";

/** Opaque text "<epoch>.<seq>.<time_us>": keep it, hand it back, compare it for equality only. */
export type Position = string;

/** The text form. */
export function formatPosition(position: WirePosition): Position {
  return `${position.epoch}.${position.seq}.${position.timeUs}`;
}

/**
 * Reads the text form.
 *
 * @throws {TidegateError} `REQUEST_INVALID` when it is not a position.
 */
export function parsePosition(position: Position): WirePosition {
  const isPosition = /^[1-9]\d{0,9}(\.\d{1,16}){2}$/.test(position);
  const [epoch = 0, seq = 0, timeUs = 0] = isPosition ? position.split(".").map(Number) : [];
  if (epoch < 1 || epoch > 0xffffffff) {
    const shown = JSON.stringify(String(position).slice(0, 60));
    throw new TidegateError(
      "REQUEST_INVALID",
      `position ${shown} is not "<epoch>.<seq>.<time_us>"`,
    );
  }
  return { epoch, seq, timeUs };
}
