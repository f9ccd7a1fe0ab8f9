/**
 * R5, the chain: whether a durable message is the next one, an old one, or shows a gap.
 *
 * Pure. A receiver knows (epoch, seq) of the last message it counted; each message names the one
 * before it in its room and epoch, so one look decides.
 */

/** The place a receiver has reached; seq 0 before the first message of an epoch. */
export interface ChainPlace {
  readonly epoch: number;
  readonly seq: number;
}

/** What a message is to a receiver: to deliver, to drop, or a sign that some are missing. */
export type ChainVerdict = "next" | "old" | "gap";

/**
 * Judges a message against the place reached: `next` while prev <= reached < seq.
 *
 * A later epoch is a gap until it was read through by the store (R10 step 4).
 */
export function judgeChain(
  reached: ChainPlace,
  message: { epoch: number; seq: number; prevSeq: number },
): ChainVerdict {
  if (message.epoch < reached.epoch) return "old";
  if (message.epoch > reached.epoch) return "gap";
  if (message.seq <= reached.seq) return "old";
  return message.prevSeq <= reached.seq ? "next" : "gap";
}
