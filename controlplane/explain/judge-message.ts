/**
 * What became of one message for one user, membership by membership.
 *
 * Pure. Each membership says one thing of the message; the best of them is the verdict, and the
 * others are reasons beside it.
 */
import type { JournalEntry } from "../../bus/journal.ts";
import { comparePositions, formatPosition, type Position } from "../../bus/position.ts";
import { MembershipState } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { ExplainEnd, ExplainVerdict } from "../../proto/gen/tidegate/control/v1/explain.ts";
import type { ExplainFacts, MessageFacts } from "./facts.ts";
import { fromWire, type Membership, type ToldGap } from "./memberships.ts";
import { endText, entryText, gapText, isoTime } from "./words.ts";

/** A verdict and the sentence for it. */
export interface Finding {
  readonly verdict: ExplainVerdict;
  readonly text: string;
}

/** A clock of a gateway may differ so much from that of the store, microseconds (R2). */
const CLOCK_US = 1_000_000;
/** An ephemeral message's loss is told within this, microseconds. */
const LOSS_TOLD_US = 3_000_000;

/** What a membership says of the message. */
export function judgeMembership(membership: Membership, message: MessageFacts): Finding {
  if (message.state === "ephemeral") return judgeByTime(membership, message.position.timeUs);
  const { position } = message;
  return judgeStart(membership, position) ?? judgeReach(membership, position);
}

/** Best first: what outweighs the rest. */
const ORDER: readonly ExplainVerdict[] = [
  ExplainVerdict.DELIVERED,
  ExplainVerdict.PENDING,
  ExplainVerdict.GAP,
  ExplainVerdict.GATEWAY_LOST,
  ExplainVerdict.UNKNOWN,
  ExplainVerdict.REFUSED,
  ExplainVerdict.LEFT_BEFORE,
  ExplainVerdict.JOINED_LATER,
];

/** Sorted, the verdict first; those that say the same stay by time. */
export function sortFindings(findings: readonly Finding[]): Finding[] {
  const weight = ({ verdict }: Finding) => ORDER.indexOf(verdict);
  return [...findings].sort((a, b) => weight(a) - weight(b));
}

/**
 * The refusal that may be why there was no membership: the last one before the message that no
 * join followed, or the first after it, of a user who has not come in since.
 */
export function judgeRefusals(
  { entries, user }: ExplainFacts,
  memberships: readonly Membership[],
  timeUs: number,
): Finding[] {
  const refusals = entries.filter(({ record: { what } }) => {
    return what?.$case === "refused" && what.value.code !== "ALREADY_JOINED";
  });
  const timeOf = ({ record }: JournalEntry) => Number(record.timeUs);
  const joinedBetween = (fromUs: number, toUs: number) =>
    memberships.some(({ joinedUs }) => joinedUs >= fromUs && joinedUs <= toUs);
  const before = refusals.findLast((each) => timeOf(each) <= timeUs);
  const after = refusals.find((each) => timeOf(each) > timeUs);
  const isBefore = before !== undefined && !joinedBetween(timeOf(before), timeUs);
  const isAfter = after !== undefined && !joinedBetween(timeOf(after), Number.POSITIVE_INFINITY);
  const found = isBefore ? before : isAfter ? after : undefined;
  if (found === undefined) return [];
  const what = found.record.room === "" ? "to connect" : "to join";
  const text =
    `${user} wanted ${what} at ${found.process}, ${isoTime(found.record.timeUs)}, and was ` +
    entryText(found);
  return [{ verdict: ExplainVerdict.REFUSED, text }];
}

/** Messages that the membership did not begin with; null: the message is after its beginning. */
function judgeStart(membership: Membership, position: Position): Finding | null {
  const { connection, joined, from, joinedUs } = membership;
  if (joined === null) return null;
  const isBefore = from !== null && comparePositions(position, from) <= 0;
  if (!isBefore) return null;
  const at = isoTime(joinedUs);
  const after = fromWire(joined.after);
  if (joined.isResume && after !== null && comparePositions(position, after) <= 0) {
    const text = `${connection} resumed at ${at} after ${formatPosition(after)}: the client had it`;
    return { verdict: ExplainVerdict.DELIVERED, text };
  }
  if (joined.isResume && joined.loss !== GapReason.UNSPECIFIED) {
    const text =
      `${connection} wanted to resume at ${at} after ${place(after)} and was told ` +
      `recovered: false (${gapText(joined.loss)})`;
    return { verdict: ExplainVerdict.GAP, text };
  }
  const text = `${connection} joined at ${at}, when the room was at ${place(from)} already`;
  return { verdict: ExplainVerdict.JOINED_LATER, text };
}

/** The message is after the membership's beginning, as far as that is known. */
function judgeReach(membership: Membership, position: Position): Finding {
  const { connection, gateway, through, joined } = membership;
  const gap = membership.gaps.find((each) => isInGap(each, position));
  if (gap !== undefined) {
    const text = `${connection} was told of a gap at ${isoTime(gap.timeUs)}: ${gapText(gap.reason)}`;
    return { verdict: ExplainVerdict.GAP, text };
  }
  const isReached = through !== null && comparePositions(position, through) <= 0;
  if (isReached && joined === null) {
    const text = `${connection} is a member at ${gateway}, but not known since when`;
    return { verdict: ExplainVerdict.UNKNOWN, text };
  }
  if (isReached) {
    const text =
      `${connection} at ${gateway} was handed everything from ${place(membership.from)} ` +
      `to ${place(through)}, but for gaps`;
    return { verdict: ExplainVerdict.DELIVERED, text };
  }
  return judgeEnd(membership);
}

/** The membership is not known to have come as far as the message. */
function judgeEnd(membership: Membership): Finding {
  const { connection, gateway, end, endUs, through, state } = membership;
  switch (end) {
    case ExplainEnd.NONE: {
      const why = {
        [MembershipState.CATCHING_UP]: "reads what it has missed from the store",
        [MembershipState.SLOW]: "waits for its socket, which is full: the client reads too slowly",
      }[state as 3 | 4];
      const doing = why ?? "has everything that its gateway has";
      const text = `${connection} at ${gateway} is at ${place(through)} and ${doing}`;
      return { verdict: ExplainVerdict.PENDING, text };
    }
    case ExplainEnd.GATEWAY_LOST: {
      const text =
        `${gateway}, where ${connection} was a member, ended without a word, last heard of ` +
        `${isoTime(endUs)}: whether the message was handed to its socket is not known`;
      return { verdict: ExplainVerdict.GATEWAY_LOST, text };
    }
    case ExplainEnd.UNKNOWN: {
      const text = `${connection} was a member at ${gateway}; when and how that ended is not known`;
      return { verdict: ExplainVerdict.UNKNOWN, text };
    }
    default: {
      const text = `${connection} ${endText(membership)}, having got everything to ${place(through)}`;
      return { verdict: ExplainVerdict.LEFT_BEFORE, text };
    }
  }
}

/** Of an ephemeral message only its time is known. */
function judgeByTime(membership: Membership, timeUs: number): Finding {
  const { connection, gateway, joinedUs, endUs, end } = membership;
  if (timeUs < joinedUs) {
    const text = `${connection} joined later, at ${isoTime(joinedUs)}`;
    return { verdict: ExplainVerdict.JOINED_LATER, text };
  }
  const isLost = end === ExplainEnd.GATEWAY_LOST || end === ExplainEnd.UNKNOWN;
  if (isLost && (endUs === null || timeUs > endUs)) {
    const text = `${gateway}, where ${connection} was a member, was last heard of ${isoTime(endUs)}`;
    const verdict =
      end === ExplainEnd.UNKNOWN ? ExplainVerdict.UNKNOWN : ExplainVerdict.GATEWAY_LOST;
    return { verdict, text };
  }
  if (endUs !== null && timeUs > endUs) {
    return { verdict: ExplainVerdict.LEFT_BEFORE, text: `${connection} ${endText(membership)}` };
  }
  const gap = membership.gaps.find(
    (each) => each.timeUs >= timeUs - CLOCK_US && each.timeUs <= timeUs + LOSS_TOLD_US,
  );
  if (gap !== undefined) {
    const text =
      `${connection} was told of a gap at ${isoTime(gap.timeUs)} (${gapText(gap.reason)}), ` +
      "which it may be in";
    return { verdict: ExplainVerdict.GAP, text };
  }
  const text = `${connection} was a member at ${gateway} then, and no gap was told around that time`;
  return { verdict: ExplainVerdict.DELIVERED, text };
}

function isInGap({ after, until, timeUs }: ToldGap, position: Position): boolean {
  if (after !== null && comparePositions(position, after) <= 0) return false;
  if (until !== null) return comparePositions(position, until) <= 0;
  return position.timeUs <= timeUs + CLOCK_US;
}

function place(position: Position | null): string {
  return position === null ? "the beginning" : formatPosition(position);
}
