/**
 * Explanations beyond the table of judge-message.test.ts: messages that nobody gets, what is not
 * known, ephemeral rooms, and no message at all.
 */
import { describe, expect, test } from "vitest";
import type { JournalEntry } from "../../../bus/journal.ts";
import type { ExplainFacts, MessageFacts } from "../../../controlplane/explain/facts.ts";
import { GapReason } from "../../../proto/gen/tidegate/client/v1/message.ts";
import { ExplainEnd, ExplainVerdict } from "../../../proto/gen/tidegate/control/v1/explain.ts";
import { at, explain, gap, joined, left, live, position, refused, stored, there } from "./story.ts";

const { DELIVERED, GAP, NEVER_JOINED, JOINED_LATER, LEFT_BEFORE } = ExplainVerdict;

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

  test("a no that rests on what may have been lost says so", () => {
    const lost = [{ id: "gw-9", startedUs: at(-50), lastUs: at(19) }];
    for (const more of [{ lost }, { droppedCount: 1 }, { isCut: true }]) {
      const decided = explain([], stored(20), more);
      expect(decided.verdict).toBe(NEVER_JOINED);
      expect(decided.answer).toMatch(/^No: as far as is recorded, ann never joined/);
      expect(decided.unknowns).toHaveLength(1);
    }
    expect(explain([], stored(20), { lost }).unknowns[0]).toMatch(/gw-9 ended without a word/);
    expect(explain([], stored(20)).answer).toMatch(/^No: ann never joined/);
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
      answer:
        "ann never joined chat:a, and was not connected by that name (anonymous clients have none).",
      reasons: [expect.stringMatching(/ROOM_FULL/)],
    });
  });
});
