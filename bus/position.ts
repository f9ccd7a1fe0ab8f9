/**
 * Positions: (epoch, seq, time) of a message in a durable room, and their text form.
 */
import { CodedError } from "../proto/coded-error.ts";

/** Where a message stands in its room. Ordered by epoch, then seq. */
export interface Position {
  /** Owners the room's slot has had, 1 or more. */
  readonly epoch: number;
  /** Sequence in the shard that stored it, 1 to 2^53 - 1; rises within a room and epoch. */
  readonly seq: number;
  /** When it was stored, microseconds since 1970-01-01 UTC. */
  readonly timeUs: number;
}

/** Negative when `a` is before `b`, 0 when at the same place, positive after. */
export function comparePositions(a: Position, b: Position): number {
  return a.epoch - b.epoch || a.seq - b.seq;
}

/**
 * Whether a reader that has reached `place` can not have had a message at `position`: it stands
 * behind, or, in a history that went backwards (R9), in front and was stored later.
 */
export function isBeyond(position: Position, place: Position): boolean {
  return comparePositions(position, place) > 0 || position.timeUs > place.timeUs;
}

/** Text form "<epoch>.<seq>.<time_us>". */
export function formatPosition(position: Position): string {
  return `${position.epoch}.${position.seq}.${position.timeUs}`;
}

/**
 * Reads the text form back.
 *
 * @throws {CodedError} `REQUEST_INVALID` when it is not three numbers in range.
 */
export function parsePosition(text: string): Position {
  const match = /^(\d{1,10})\.(\d{1,16})\.(\d{1,16})$/.exec(text);
  const [epoch, seq, timeUs] = match === null ? [0, 0, 0] : match.slice(1).map(Number);
  if (!epoch || !seq || timeUs === undefined || epoch > 0xffff_ffff) {
    const shown = JSON.stringify(text.slice(0, 60));
    throw new CodedError(
      "REQUEST_INVALID",
      `position ${shown} is not "<epoch>.<seq>.<time_us>"; pass one that was printed or received`,
    );
  }
  return { epoch, seq, timeUs };
}
