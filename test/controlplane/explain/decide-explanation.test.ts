/**
 * Why a user did or did not get a message: the cases, as a table of records and answers.
 */
import { describe, expect, test } from "vitest";
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
import { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";
import {
  ExplainEnd,
  ExplainVerdict,
} from "../../../proto/gen/tidegate/control/v1/explain_service.ts";

const room = "chat:a";
const START_US = 1_700_000_000_000_000;
/** Seconds of the story, as microseconds. */
const at = (seconds: number) => START_US + seconds * 1_000_000;
/** Message n was stored in second n. */
const position = (seq: number, epoch = 1) => ({ epoch, seq, timeUs: at(seq) });
const wire = (seq: number | null) =>
  seq === null ? undefined : { epoch: 1, seq: BigInt(seq), timeUs: BigInt(at(seq)) };

type What = NonNullable<JournalRecord["what"]>;
const nothing = new Uint8Array(0);
let count = 0;

function entry(seconds: number, what: What, more: Partial<JournalRecord> = {}, process = "gw-1") {
  count += 1;
  const timeUs = BigInt(at(seconds));
  const about = { tenant: "t", user: "ann", connection: `${process}-1`, room: "" };
  const record = { seq: BigInt(count), timeUs, ...about, ...more, what };
  return { process, incarnation: "x", record } satisfies JournalEntry;
}

const opened = (seconds: number, gateway = "gw-1") =>
  entry(seconds, { $case: "opened", value: JournalOpened.decode(nothing) }, {}, gateway);

function joined(
  seconds: number,
  from: number | null,
  more: Partial<JournalJoined> = {},
  gateway = "gw-1",
) {
  const value = { ...JournalJoined.decode(nothing), from: wire(from), durable: true, ...more };
  return entry(seconds, { $case: "joined", value }, { room }, gateway);
}

const resumed = (seconds: number, after: number, gateway = "gw-2") =>
  joined(seconds, after, { isResume: true, after: wire(after) }, gateway);

function left(seconds: number, through: number | null, code = "") {
  const value = { ...JournalLeft.decode(nothing), through: wire(through), code };
  return entry(seconds, { $case: "left", value }, { room });
}

function closed(seconds: number, through: number | null, code = 1006) {
  const places = [
    { room, through: wire(through) },
    { room: "chat:b", through: undefined },
  ];
  return entry(seconds, {
    $case: "closed",
    value: { ...JournalClosed.decode(nothing), code, places },
  });
}

function gap(
  seconds: number,
  reason: GapReason,
  after: number | null,
  until: number | null,
  user = "ann",
) {
  const value = { ...JournalGap.decode(nothing), reason, after: wire(after), until: wire(until) };
  return entry(seconds, { $case: "gap", value }, { room, user });
}

const skip = (seconds: number, after: number) =>
  entry(
    seconds,
    { $case: "skip", value: { ...JournalSkip.decode(nothing), after: wire(after) } },
    { room },
  );

function refused(seconds: number, code: string, more: Partial<JournalRefused> = {}, ofRoom = room) {
  const value = { ...JournalRefused.decode(nothing), code, detail: "why", count: 1, ...more };
  return entry(seconds, { $case: "refused", value }, { room: ofRoom });
}

/** A gateway that is there, in the same life since before the story. */
function there(
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
const empty: GatewayFacts = { startedUs: at(-1000), connections: [] };

function explain(
  entries: JournalEntry[],
  message: MessageFacts | null,
  more: Partial<ExplainFacts> = {},
) {
  return decideExplanation({
    ...{ user: "ann", room, nowUs: at(100), fromUs: at(-3600), message, entries, roomGaps: [] },
    ...{ signs: new Map(), gateways: new Map([["gw-1", empty]]), droppedCount: 0, isCut: false },
    ...more,
  });
}

const stored = (seq: number, epoch = 1): MessageFacts => ({
  position: position(seq, epoch),
  state: "stored",
});
const live = (facts: GatewayFacts) => ({ gateways: new Map([["gw-1", facts]]) });
const { DELIVERED, PENDING, GAP, NEVER_JOINED, JOINED_LATER, LEFT_BEFORE, REFUSED, GATEWAY_LOST } =
  ExplainVerdict;

describe("decideExplanation: message 20 of a durable room", () => {
  type Case = readonly [
    title: string,
    verdict: ExplainVerdict,
    says: RegExp,
    entries: JournalEntry[],
    more?: Partial<ExplainFacts>,
  ];
  const cases: Case[] = [
    ["no record at all", NEVER_JOINED, /never joined chat:a, and was not connected/, []],
    ["connected, never joined", NEVER_JOINED, /connected once, but never joined/, [opened(1)]],
    [
      "asked for a room that a gate made another",
      NEVER_JOINED,
      /version gate made it chat:a~2: ask about that/,
      [entry(1, joinedAs("chat:a"), { room: "chat:a~2" })],
    ],
    [
      "joined after",
      JOINED_LATER,
      /joined at .*:50\.000.* at 1\.25\./,
      [joined(30, 25)],
      live(there(40)),
    ],
    ["left before", LEFT_BEFORE, /left at .*:30\.000/, [joined(1, null), left(10, 9)]],
    [
      "put out before",
      LEFT_BEFORE,
      /put out .*PERMISSION_DENIED/,
      [joined(1, 1), left(10, 9, "PERMISSION_DENIED")],
    ],
    [
      "connection broke before",
      LEFT_BEFORE,
      /closed at .*1006: it broke off/,
      [joined(1, 1), closed(10, 9)],
    ],
    [
      "closed as too slow",
      LEFT_BEFORE,
      /SLOW_CONSUMER/,
      [joined(1, 1), skip(9, 9), closed(10, 9, 4002)],
    ],
    [
      "away, not come back; then joined anew",
      LEFT_BEFORE,
      /closed/,
      [joined(1, 1), closed(10, 9), joined(30, 25)],
    ],
    [
      "a member all the time",
      DELIVERED,
      /gw-1-1 at gw-1 was handed everything from 1\.1\..* to 1\.40/,
      [joined(1, 1)],
      live(there(40)),
    ],
    ["left after it", DELIVERED, /handed everything/, [joined(1, 1), left(50, 45)]],
    ["closed after it", DELIVERED, /handed everything/, [joined(1, null), closed(50, 20)]],
    [
      "closed when its socket had not got so far",
      LEFT_BEFORE,
      /closed/,
      [joined(1, 1), closed(50, 19)],
    ],
    [
      "still catching up",
      PENDING,
      /reads what it has missed/,
      [joined(1, 1)],
      live(there(10, MembershipState.CATCHING_UP)),
    ],
    [
      "its socket is full",
      PENDING,
      /reads too slowly/,
      [joined(1, 1), skip(11, 10)],
      live(there(10, MembershipState.SLOW)),
    ],
    [
      "slow, then had from the store",
      DELIVERED,
      /handed everything/,
      [joined(1, 1), skip(11, 10)],
      live(there(40)),
    ],
    [
      "slow, and skipped",
      GAP,
      /read too slowly, and its class skips/,
      [joined(1, 1), gap(30, GapReason.SLOW_MEMBER, 15, 25)],
      live(there(40)),
    ],
    [
      "slow, skipped others",
      DELIVERED,
      /handed/,
      [joined(1, 1), gap(19, GapReason.SLOW_MEMBER, 15, 19)],
      live(there(40)),
    ],
    [
      "older than kept when it was slow",
      GAP,
      /older than/,
      [joined(1, 1), gap(30, GapReason.RETENTION, 15, null)],
      live(there(40)),
    ],
    [
      "all members of the room were told",
      GAP,
      /not in the room's history/,
      [joined(1, 1)],
      { ...live(there(40)), roomGaps: [gap(22, GapReason.POSITION_UNKNOWN, 15, null, "")] },
    ],
    [
      "the room's gap was before it joined",
      DELIVERED,
      /handed/,
      [joined(10, 1)],
      { ...live(there(40)), roomGaps: [gap(5, GapReason.POSITION_UNKNOWN, 1, null, "")] },
    ],
    [
      "resume not recovered",
      GAP,
      /recovered: false \(older than/,
      [
        joined(1, 1),
        closed(10, 9),
        joined(30, 25, { isResume: true, after: wire(9), loss: GapReason.RETENTION }),
      ],
    ],
    [
      "refused by its token",
      REFUSED,
      /wanted to join at gw-1.*PERMISSION_DENIED/,
      [opened(1), refused(5, "PERMISSION_DENIED")],
    ],
    [
      "refused by a limit, with its value",
      REFUSED,
      /LIMIT_REACHED, limit connections-per-user of 5/,
      [refused(5, "LIMIT_REACHED", { limit: "connections-per-user", limitValue: 5n }, "")],
    ],
    [
      "refused by a gate when it came back",
      REFUSED,
      /wanted to connect.*VERSION_REFUSED/,
      [joined(1, 1), closed(10, 9), refused(30, "VERSION_REFUSED", {}, "")],
    ],
    [
      "refused, then let in",
      DELIVERED,
      /handed/,
      [refused(1, "ROOM_FULL"), joined(2, 1)],
      live(there(40)),
    ],
    [
      "joined twice by mistake is no refusal",
      DELIVERED,
      /handed/,
      [joined(1, 1), refused(2, "ALREADY_JOINED")],
      live(there(40)),
    ],
    [
      "gateway killed before, not come back",
      GATEWAY_LOST,
      /gw-1.* ended without a word/,
      [opened(1), joined(2, 1)],
      { gateways: new Map() },
    ],
    [
      "gateway killed, resumed after it: it had it",
      DELIVERED,
      /resumed .* after 1\.21\..*: the client had it/,
      [joined(1, 1), resumed(40, 21)],
      { gateways: new Map([["gw-2", empty]]) },
    ],
    [
      "gateway killed, resumed before it, got it",
      DELIVERED,
      /gw-2-1 at gw-2 was handed everything from 1\.12/,
      [joined(1, 1), resumed(40, 12), entryClosed("gw-2", 60, 50)],
      { gateways: new Map([["gw-2", empty]]) },
    ],
    [
      "gateway killed, joined anew",
      GATEWAY_LOST,
      /ended without a word/,
      [joined(1, 1), joined(40, 35, {}, "gw-2")],
      { gateways: new Map([["gw-2", empty]]) },
    ],
    [
      "gateway killed and started again under its name",
      GATEWAY_LOST,
      /ended without a word/,
      [joined(1, 1)],
      { gateways: new Map([["gw-1", { startedUs: at(30), connections: [] }]]) },
    ],
  ];
  for (const [title, verdict, says, entries, more = {}] of cases) {
    test(title, () => {
      const decided = explain(entries, stored(20), more);
      expect(decided.answer).toMatch(says);
      expect(decided.verdict).toBe(verdict);
    });
  }
});

function joinedAs(named: string): What {
  return { $case: "joined", value: { ...JournalJoined.decode(nothing), named, durable: true } };
}

function entryClosed(gateway: string, seconds: number, through: number) {
  const places = [{ room, through: wire(through) }];
  return entry(seconds, { $case: "closed", value: { code: 1000, places } }, {}, gateway);
}

describe("decideExplanation: messages that nobody gets, and what is not known", () => {
  test("void, missing and expired messages are said so, whoever was there", () => {
    const all = [joined(1, 1)];
    const say = (state: MessageFacts["state"]) =>
      explain(all, { position: position(20), state }, live(there(10)));
    expect(say("void")).toMatchObject({ verdict: ExplainVerdict.VOID });
    expect(say("missing")).toMatchObject({ verdict: ExplainVerdict.NOT_STORED });
    expect(say("expired")).toMatchObject({ verdict: ExplainVerdict.EXPIRED });
    const had = explain(all, { position: position(20), state: "expired" }, live(there(40)));
    expect(had).toMatchObject({ verdict: DELIVERED, reasons: ["the message is no longer stored"] });
  });

  test("before the journal begins nothing rests on a record that is not there", () => {
    const decided = explain([], stored(20), { fromUs: at(50) });
    expect(decided.verdict).toBe(ExplainVerdict.UNKNOWN);
    expect(decided.unknowns.join()).toMatch(
      /the journal is looked at from .*, the message is older/,
    );
    expect(explain([], stored(20), { fromUs: null }).unknowns[0]).toMatch(/there is no journal/);
    const member = explain([], stored(20), { fromUs: at(50), ...live(there(40)) });
    expect(member).toMatchObject({ verdict: ExplainVerdict.UNKNOWN });
    expect(member.answer).toMatch(/not known since when/);
  });

  test("dropped records, silent and killed gateways are told as what is not known", () => {
    const silent = { startedUs: at(-1000), connections: null };
    const signs = [5, 35, 65].map((each) => ({ timeUs: at(each), isStart: false, isEnd: false }));
    const decided = explain([joined(1, 1)], stored(20), {
      ...{ droppedCount: 7, isCut: true, signs: new Map([["gw-1", signs]]) },
      gateways: new Map([["gw-2", silent]]),
    });
    expect(decided.unknowns.join("\n")).toMatch(/7 records were dropped/);
    expect(decided.unknowns.join("\n")).toMatch(/gateways\/gw-2 did not answer/);
    expect(decided.unknowns.join("\n")).toMatch(/more records than one answer/);
    expect(decided.memberships).toMatchObject([{ end: ExplainEnd.GATEWAY_LOST, endUs: at(65) }]);
  });

  test("a membership without an end at a gateway that lives is not known, not delivered", () => {
    expect(explain([joined(1, 1)], stored(20))).toMatchObject({ verdict: ExplainVerdict.UNKNOWN });
    const silent = { startedUs: at(-1000), connections: null };
    const decided = explain([joined(1, 1)], stored(20), live(silent));
    expect(decided).toMatchObject({ verdict: ExplainVerdict.UNKNOWN });
  });

  test("delivered says that no more than the socket is known", () => {
    const decided = explain([joined(1, 1)], stored(20), live(there(40)));
    expect(decided.unknowns).toEqual([
      "handed to the connection's socket: whether the client has read it is not known",
    ]);
  });

  test("epochs come before sequences", () => {
    const decided = explain([joined(1, 1), left(50, 45)], stored(3, 2));
    expect(decided.verdict).toBe(LEFT_BEFORE);
  });
});

describe("decideExplanation: ephemeral rooms go by time", () => {
  const message = (seconds: number): MessageFacts => ({
    position: { epoch: 0, seq: 0, timeUs: at(seconds) },
    state: "ephemeral",
  });
  const member = [joined(10, null, { durable: false }), left(50, null)];
  test.each([
    ["while a member", 20, [], DELIVERED],
    ["before it joined", 5, [], JOINED_LATER],
    ["after it left", 55, [], LEFT_BEFORE],
    ["beside a gap that was told", 20, [gap(21, GapReason.BUS, null, null, "")], GAP],
    ["long before a gap", 20, [gap(40, GapReason.BUS, null, null, "")], DELIVERED],
  ] as const)("%s", (_title, seconds, roomGaps, verdict) => {
    expect(explain(member, message(seconds), { roomGaps }).verdict).toBe(verdict);
  });
});

describe("decideExplanation: without a message", () => {
  test("says what the user is in the room now, or was last", () => {
    const say = (entries: JournalEntry[], more: Partial<ExplainFacts> = {}) =>
      explain(entries, null, more);
    expect(say([joined(1, 1)], live(there(40)))).toMatchObject({
      verdict: ExplainVerdict.UNSPECIFIED,
      answer: "ann is a member of chat:a.",
      reasons: [expect.stringMatching(/since .*, has everything to 1\.40\..*, gets each message/)],
    });
    expect(say([joined(1, 1), left(9, 8)]).answer).toMatch(
      /no member of chat:a now: gw-1-1 left at/,
    );
    expect(say([joined(1, 1)], { gateways: new Map() }).answer).toMatch(/last heard of/);
    expect(say([refused(5, "ROOM_FULL")])).toMatchObject({
      answer: "ann never joined chat:a, and was not connected.",
      reasons: [expect.stringMatching(/ROOM_FULL/)],
    });
  });
});
