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
  const match = /^([1-9]\d{0,9})\.(\d{1,16})\.(\d{1,16})$/.exec(position);
  const [, epoch, seq, timeUs] = match ?? [];
  if (epoch === undefined || seq === undefined || timeUs === undefined || +epoch > 0xffffffff) {
    const shown = JSON.stringify(String(position).slice(0, 60));
    throw new TidegateError(
      "REQUEST_INVALID",
      `position ${shown} is not "<epoch>.<seq>.<time_us>"; pass one that a message had`,
    );
  }
  return { epoch: Number(epoch), seq: Number(seq), timeUs: Number(timeUs) };
}
