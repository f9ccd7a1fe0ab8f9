/**
 * The stories that explanations are tested with: records of ann in a room, by the second.
 */
import type { JournalEntry } from "../../../bus/journal.ts";
import { decideExplanation } from "../../../controlplane/explain/decide-explanation.ts";
import type {
  ExplainFacts,
  GatewayFacts,
  MessageFacts,
} from "../../../controlplane/explain/facts.ts";
import {
  MembershipState,
  type UserConnection,
} from "../../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import {
  JournalClosed,
  JournalGap,
  JournalJoined,
  JournalLeft,
  JournalOpened,
  type JournalRecord,
  JournalRefused,
  JournalSkip,
} from "../../../proto/gen/tidegate/bus/v1/journal.ts";
import type { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";

export const room = "chat:a";
const START_US = 1_700_000_000_000_000;
/** Seconds of the story, as microseconds. */
export const at = (seconds: number) => START_US + seconds * 1_000_000;
/** Message n was stored in second n. */
export const position = (seq: number, epoch = 1) => ({ epoch, seq, timeUs: at(seq) });
export const wire = (seq: number | null) =>
  seq === null ? undefined : { epoch: 1, seq: BigInt(seq), timeUs: BigInt(at(seq)) };

type What = NonNullable<JournalRecord["what"]>;
const nothing = new Uint8Array(0);
let count = 0;

export function entry(
  seconds: number,
  what: What,
  more: Partial<JournalRecord> = {},
  process = "gw-1",
) {
  count += 1;
  const timeUs = BigInt(at(seconds));
  const about = { tenant: "t", user: "ann", connection: `${process}-1`, room: "" };
  const record = { seq: BigInt(count), timeUs, ...about, ...more, what };
  return { process, incarnation: "x", record } satisfies JournalEntry;
}

export const opened = (seconds: number, gateway = "gw-1") =>
  entry(seconds, { $case: "opened", value: JournalOpened.decode(nothing) }, {}, gateway);

export function joined(
  seconds: number,
  from: number | null,
  more: Partial<JournalJoined> = {},
  gateway = "gw-1",
) {
  const value = { ...JournalJoined.decode(nothing), from: wire(from), durable: true, ...more };
  return entry(seconds, { $case: "joined", value }, { room }, gateway);
}

export const resumed = (seconds: number, after: number, gateway = "gw-2") =>
  joined(seconds, after, { isResume: true, after: wire(after) }, gateway);

export function left(seconds: number, through: number | null, code = "") {
  const value = { ...JournalLeft.decode(nothing), through: wire(through), code };
  return entry(seconds, { $case: "left", value }, { room });
}

export function closed(seconds: number, through: number | null, code = 1006) {
  const places = [
    { room, through: wire(through) },
    { room: "chat:b", through: undefined },
  ];
  return entry(seconds, {
    $case: "closed",
    value: { ...JournalClosed.decode(nothing), code, places },
  });
}

export function gap(
  seconds: number,
  reason: GapReason,
  after: number | null,
  until: number | null,
  user = "ann",
) {
  const value = { ...JournalGap.decode(nothing), reason, after: wire(after), until: wire(until) };
  return entry(seconds, { $case: "gap", value }, { room, user });
}

export const skip = (seconds: number, after: number) =>
  entry(
    seconds,
    { $case: "skip", value: { ...JournalSkip.decode(nothing), after: wire(after) } },
    { room },
  );

export function refused(
  seconds: number,
  code: string,
  more: Partial<JournalRefused> = {},
  ofRoom = room,
) {
  const value = { ...JournalRefused.decode(nothing), code, detail: "why", count: 1, ...more };
  return entry(seconds, { $case: "refused", value }, { room: ofRoom });
}

/** A gateway that is there, in the same life since before the story. */
export function there(
  through: number | null,
  state: MembershipState = MembershipState.LIVE,
): GatewayFacts {
  const membership = { state, through: wire(through), mayPublish: true };
  return { startedUs: at(-1000), connections: [{ ...connection, membership }] };
}
const connection: UserConnection = {
  ...{ connection: "gw-1-1", clientName: "", clientVersion: "", clientPlatform: "" },
  ...{ clientRegion: "", membership: undefined, waitingBytes: 0n },
};
export const empty: GatewayFacts = { startedUs: at(-1000), connections: [] };

export function explain(
  entries: JournalEntry[],
  message: MessageFacts | null,
  more: Partial<ExplainFacts> = {},
) {
  return decideExplanation({
    ...{ user: "ann", room, nowUs: at(100), fromUs: at(-3600), message, entries, roomGaps: [] },
    ...{
      signs: new Map(),
      lost: [],
      gateways: new Map([["gw-1", empty]]),
      droppedCount: 0,
      isCut: false,
    },
    ...more,
  });
}

export const stored = (seq: number, epoch = 1): MessageFacts => ({
  position: position(seq, epoch),
  state: "stored",
});
export const live = (facts: GatewayFacts) => ({ gateways: new Map([["gw-1", facts]]) });
export function joinedAs(named: string): What {
  return { $case: "joined", value: { ...JournalJoined.decode(nothing), named, durable: true } };
}

export function entryClosed(gateway: string, seconds: number, through: number) {
  const places = [{ room, through: wire(through) }];
  return entry(seconds, { $case: "closed", value: { code: 1000, places } }, {}, gateway);
}
