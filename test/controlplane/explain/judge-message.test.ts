/**
 * What became of one message for one user: the cases, as a table of records and answers.
 */
import { describe, expect, test } from "vitest";
import type { JournalEntry } from "../../../bus/journal.ts";
import type { ExplainFacts } from "../../../controlplane/explain/facts.ts";
import { MembershipState } from "../../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";
import { ExplainVerdict } from "../../../proto/gen/tidegate/control/v1/explain.ts";
import {
  at,
  closed,
  empty,
  entry,
  entryClosed,
  explain,
  gap,
  joined,
  joinedAs,
  left,
  live,
  opened,
  refused,
  resumed,
  skip,
  stored,
  there,
  wire,
} from "./story.ts";

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
      "the room's gap was told after it had left",
      DELIVERED,
      /handed/,
      [joined(1, 1), left(30, 25)],
      { roomGaps: [gap(40, GapReason.POSITION_UNKNOWN, 15, null, "")] },
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
