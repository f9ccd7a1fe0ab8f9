/**
 * Why a user did or did not get a message: the verdict, what it rests on, and what is not known.
 *
 * Pure: no clock, no bus. What is not known is said rather than guessed: a dropped record, a
 * gateway that was killed, a journal that begins too late can each make another answer true.
 */
import { formatPosition } from "../../bus/position.ts";
import { MembershipState } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { ExplainEnd, ExplainVerdict } from "../../proto/gen/tidegate/control/v1/explain.ts";
import { gatewayName } from "../fleet-names.ts";
import type { ExplainFacts, MessageFacts } from "./facts.ts";
import { type Finding, judgeMembership, judgeRefusals, sortFindings } from "./judge-message.ts";
import { buildMemberships, type Membership } from "./memberships.ts";
import { endText, isoTime } from "./words.ts";

/** What was decided. */
export interface Explanation {
  readonly verdict: ExplainVerdict;
  readonly answer: string;
  readonly reasons: readonly string[];
  readonly memberships: readonly Membership[];
  readonly unknowns: readonly string[];
}

/** The answer. */
export function decideExplanation(facts: ExplainFacts): Explanation {
  const memberships = buildMemberships(facts);
  const { message } = facts;
  const decided =
    message === null ? describeNow(facts, memberships) : judge(facts, message, memberships);
  return { ...decided, memberships, unknowns: listUnknowns(facts, memberships, decided.verdict) };
}

/** Lost gateways that one answer names, the newest. */
const LOST_COUNT_MAX = 10;

type Decided = Pick<Explanation, "verdict" | "answer" | "reasons">;

function judge(
  facts: ExplainFacts,
  message: MessageFacts,
  memberships: readonly Membership[],
): Decided {
  const { state, position } = message;
  if (state === "void") {
    const answer =
      "No, and nobody did: it was stored so long after its first try that every reader skips it " +
      "(void, R2); its publisher was told OUTCOME_UNKNOWN.";
    return { verdict: ExplainVerdict.VOID, answer, reasons: [] };
  }
  if (state === "missing") {
    const answer = `No: ${facts.room} has no message at ${formatPosition(position)}.`;
    return { verdict: ExplainVerdict.NOT_STORED, answer, reasons: [] };
  }
  const findings = sortFindings([
    ...memberships.map((membership) => judgeMembership(membership, message)),
    ...judgeRefusals(facts, memberships, position.timeUs),
  ]);
  const [first, ...others] = findings;
  const found = first ?? neverJoined(facts);
  const reasons = others.map(({ text }) => text);
  if (state === "expired") reasons.push("the message is no longer stored");
  const isExpired = state === "expired" && found.verdict === ExplainVerdict.PENDING;
  if (isExpired) return say({ ...found, verdict: ExplainVerdict.EXPIRED }, reasons);
  const rests = restsOnAbsence.includes(found.verdict);
  if (rests && !isCovered(facts, position.timeUs)) {
    const text = "what happened when it was published is not in the journal any more, or not yet";
    return say({ verdict: ExplainVerdict.UNKNOWN, text }, [found.text, ...reasons]);
  }
  if (rests && !isWhole(facts)) {
    const text = `as far as is recorded, ${found.text}`;
    return say({ verdict: found.verdict, text }, reasons);
  }
  return say(found, reasons);
}

/** Whether all that gateways noted is there. */
function isWhole({ droppedCount, isCut, lost, gateways }: ExplainFacts): boolean {
  const isSilent = [...gateways.values()].some(({ connections }) => connections === null);
  return droppedCount === 0 && !isCut && lost.length === 0 && !isSilent;
}

/** Verdicts that one record more could change. */
const restsOnAbsence: readonly ExplainVerdict[] = [
  ExplainVerdict.NEVER_JOINED,
  ExplainVerdict.JOINED_LATER,
  ExplainVerdict.LEFT_BEFORE,
  ExplainVerdict.REFUSED,
];

const yes: readonly ExplainVerdict[] = [ExplainVerdict.DELIVERED];
const unclear: readonly ExplainVerdict[] = [ExplainVerdict.GATEWAY_LOST, ExplainVerdict.UNKNOWN];

function say({ verdict, text }: Finding, reasons: readonly string[]): Decided {
  const word = yes.includes(verdict)
    ? "Yes"
    : unclear.includes(verdict)
      ? "Not known"
      : verdict === ExplainVerdict.PENDING
        ? "Not yet"
        : "No";
  return { verdict, answer: `${word}: ${text}.`, reasons };
}

function neverJoined({ entries, user, room }: ExplainFacts): Finding {
  const verdict = ExplainVerdict.NEVER_JOINED;
  const sibling = entries.findLast(({ record }) => {
    return record.what?.$case === "joined" && record.room !== room;
  });
  if (sibling !== undefined) {
    const other = sibling.record.room;
    const text = `${user} asked for ${room}, and a version gate made it ${other}: ask about that`;
    return { verdict, text };
  }
  const opened = entries.filter(({ record }) => record.what?.$case === "opened").length;
  const times = opened === 1 ? "once" : `${opened} times`;
  const text =
    opened > 0
      ? `${user} was connected ${times}, but never joined ${room}`
      : `${user} never joined ${room}, and was not connected by that name (anonymous clients have none)`;
  return { verdict, text };
}

function isCovered({ fromUs }: ExplainFacts, timeUs: number): boolean {
  return fromUs !== null && timeUs >= fromUs;
}

/** Without a message: what the user is in the room now. */
function describeNow(facts: ExplainFacts, memberships: readonly Membership[]): Decided {
  const verdict = ExplainVerdict.UNSPECIFIED;
  const { user, room } = facts;
  const present = memberships.filter(({ end }) => end === ExplainEnd.NONE);
  const reasons = present.map(describePresent);
  if (present.length > 0) return { verdict, answer: `${user} is a member of ${room}.`, reasons };
  const last = memberships.at(-1);
  if (last !== undefined) {
    const how =
      last.end === ExplainEnd.GATEWAY_LOST || last.end === ExplainEnd.UNKNOWN
        ? `its gateway ${last.gateway} was last heard of ${isoTime(last.endUs)}`
        : `${last.connection} ${endText(last)}`;
    return { verdict, answer: `${user} is no member of ${room} now: ${how}.`, reasons: [] };
  }
  const refusals = judgeRefusals(facts, memberships, facts.nowUs).map(({ text }) => text);
  const { text } = neverJoined(facts);
  return { verdict, answer: `${text}.`, reasons: refusals };
}

function describePresent({ connection, gateway, through, state, joinedUs }: Membership): string {
  const doing: Readonly<Record<number, string>> = {
    [MembershipState.LIVE]: "gets each message as it comes",
    [MembershipState.CATCHING_UP]: "reads what it has missed from the store",
    [MembershipState.SLOW]: "is too slow: its socket is full",
    [MembershipState.JOINING]: "is joining",
  };
  const at = through === null ? "" : `, has everything to ${formatPosition(through)} but for gaps`;
  const since = joinedUs === 0 ? "since an unknown time" : `since ${isoTime(joinedUs)}`;
  return `${connection} at ${gateway} ${since}${at}, ${doing[state] ?? "is a member"}`;
}

function listUnknowns(
  facts: ExplainFacts,
  memberships: readonly Membership[],
  verdict: ExplainVerdict,
): string[] {
  const { fromUs, droppedCount, isCut, gateways, message, user, lost } = facts;
  const unknowns: string[] = [];
  if (fromUs === null) unknowns.push("there is no journal: only what gateways say now is known");
  if (fromUs !== null && message !== null && message.position.timeUs < fromUs) {
    unknowns.push(`the journal is looked at from ${isoTime(fromUs)} on, the message is older`);
  }
  if (verdict === ExplainVerdict.DELIVERED) {
    unknowns.push("handed to the connection's socket: whether the client has read it is not known");
  }
  if (droppedCount > 0) {
    unknowns.push(`${droppedCount} records were dropped since then; some may be about ${user}`);
  }
  if (isCut) unknowns.push("there are more records than one answer looks at: ask with --since");
  for (const [id, { connections }] of gateways) {
    if (connections === null) unknowns.push(`${gatewayName(id)} did not answer`);
  }
  for (const { id, lastUs } of lost.slice(-LOST_COUNT_MAX)) {
    unknowns.push(
      `${id} ended without a word after ${isoTime(lastUs)}: what it noted in its last 100 ms, or ` +
        "while the bus took nothing, is missing",
    );
  }
  for (const { end, gateway, connection, endUs } of memberships) {
    if (end === ExplainEnd.GATEWAY_LOST) {
      unknowns.push(
        `there is no record of how far ${connection} came; ${gateway} was last heard of ` +
          isoTime(endUs),
      );
    }
    if (end === ExplainEnd.UNKNOWN) {
      unknowns.push(`no record says how ${connection} ended: it was dropped, or not kept yet`);
    }
  }
  if (message?.state === "unknown") unknowns.push("the store did not say whether it is stored");
  if (message?.state === "ephemeral") {
    unknowns.push("an ephemeral message has no position: it is known by its time alone");
  }
  return unknowns;
}
