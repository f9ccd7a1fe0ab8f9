/**
 * R5, the chain: whether a durable message is the next one, an old one, or shows that one is
 * missing.
 *
 * Pure. The gateway checks the same; this is the second look, at the end of the line, so that no
 * fault between can drop a message unseen.
 */
import type { Message, Position } from "./gen/tidegate/client/v1/message.ts";

/**
 * The place a member has reached: a position, or "empty" when the room had no message when it
 * joined, or null when nothing is known yet.
 */
export type ChainPlace = Position | "empty" | null;

/**
 * How strictly the next message is judged. `strict`: its predecessor must have been received.
 * `vouched`: the gateway has just replayed after this very place, so what is between is void and
 * not missing. `anew`: anything may come first.
 */
export type ChainMode = "strict" | "vouched" | "anew";

/** Deliver it, drop it, or join again after the place reached. */
export type ChainVerdict = "next" | "old" | "missing";

/** Judges a message. Ephemeral messages have no position and are always next. */
export function judgeChain(place: ChainPlace, mode: ChainMode, message: Message): ChainVerdict {
  const position = message.position;
  if (position === undefined || mode === "anew" || place === null) return "next";
  if (place === "empty") return message.prevSeq === 0 ? "next" : "missing";
  if (position.epoch < place.epoch) return "old";
  if (position.epoch > place.epoch) return "next"; // follows the end of the old epoch, in order
  if (position.seq <= place.seq) return "old";
  return message.prevSeq <= place.seq || mode === "vouched" ? "next" : "missing";
}
