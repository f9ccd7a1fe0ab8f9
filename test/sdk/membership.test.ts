/** R5 and R9 at the client: what is next, what is missing, and where to resume. */
import { describe, expect, test } from "vitest";
import { judgeChain } from "../../sdk/typescript/chain.ts";
import type { Message, Position } from "../../sdk/typescript/gen/tidegate/client/v1/message.ts";
import type { Joined } from "../../sdk/typescript/gen/tidegate/client/v1/room.ts";
import { Membership } from "../../sdk/typescript/membership.ts";

const at = (seq: number, epoch = 1): Position => ({ epoch, seq, timeUs: 5 });
const message = (seq: number, prevSeq: number, epoch = 1): Message => ({
  roomAlias: 1,
  position: at(seq, epoch),
  prevSeq,
  envelope: undefined,
  ephemeralSeq: 0,
  traceparent: "",
});
const ephemeral = (ephemeralSeq: number): Message => ({
  roomAlias: 1,
  position: undefined,
  prevSeq: 0,
  envelope: undefined,
  ephemeralSeq,
  traceparent: "",
});
const joined = (rest: Partial<Joined> = {}, durable = true): Joined => ({
  requestId: 1,
  room: "chat:a",
  roomAlias: 1,
  head: undefined,
  recovered: undefined,
  sibling: "",
  loss: 0,
  policy: {
    durable,
    mayPublish: true,
    mayReadHistory: true,
    historyCountMax: 9,
    historyAgeMaxS: 9,
    degraded: false,
    memberCountMax: 0,
    roomPublishesPerSecondMax: 0,
    classPublishesPerSecondMax: 0,
    payloadBytesMax: 0,
  },
  ...rest,
});

/** A membership that is in, after one message at 10. */
function memberAt10(): Membership {
  const membership = new Membership(5, null);
  membership.join("chat:a");
  membership.onJoined(joined({ head: at(10) }));
  membership.onTaken(message(10, 9));
  return membership;
}

describe("judgeChain", () => {
  test.each([
    ["the next one", at(10), message(12, 10), "next"],
    ["one with an older predecessor, which has expired", at(10), message(12, 7), "next"],
    ["the same again", at(10), message(10, 9), "old"],
    ["an older one", at(10), message(3, 2), "old"],
    ["one whose predecessor never came", at(10), message(12, 11), "missing"],
    ["the first of a later epoch", at(10), message(1, 0, 2), "next"],
    ["one of an earlier epoch", at(10, 2), message(99, 10, 1), "old"],
    ["the first of a room that was empty", "empty" as const, message(1, 0), "next"],
    ["not the first of a room that was empty", "empty" as const, message(4, 3), "missing"],
    ["anything when nothing is known", null, message(4, 3), "next"],
  ])("strict: judges %s", (_what, place, incoming, verdict) => {
    expect(judgeChain(place, "strict", incoming)).toBe(verdict);
  });

  test("vouched: takes a later one over what is void, but no old one", () => {
    expect(judgeChain(at(10), "vouched", message(12, 11))).toBe("next");
    expect(judgeChain(at(10), "vouched", message(10, 9))).toBe("old");
  });

  test("anew: takes whatever comes first", () => {
    expect(judgeChain(at(10), "anew", message(3, 2))).toBe("next");
  });
});

describe("Membership", () => {
  test("join: asks as the application did until something is known, then after the last taken", () => {
    const membership = new Membership(20, null);
    expect(membership.join("chat:a")).toEqual({ room: "chat:a", after: undefined, history: 20 });
    membership.onBreak();
    expect(membership.join("chat:a").after).toBeUndefined();
    membership.onJoined(joined({ head: at(10) }));
    membership.onTaken(message(9, 8));
    membership.onBreak();
    expect(membership.join("chat:a")).toEqual({ room: "chat:a", after: at(9), history: 20 });
  });

  test("join: a quiet room is resumed after its head, so that a break loses nothing", () => {
    const membership = new Membership(0, null);
    membership.join("chat:a");
    membership.onJoined(joined({ head: at(10) }));
    membership.onBreak();
    expect(membership.join("chat:a").after).toEqual(at(10));
  });

  test("join: an empty room is resumed from its beginning, and a lost beginning is told", () => {
    const membership = new Membership(0, null);
    membership.join("chat:a");
    membership.onJoined(joined());
    membership.onBreak();
    expect(membership.join("chat:a")).toEqual({ room: "chat:a", after: undefined, history: 500 });
    expect(membership.onJoined(joined({ head: at(700) })).isLoss).toBe(false);
    expect(membership.judge(message(201, 200))).toBe("lost");
    membership.onGap();
    expect(membership.judge(message(201, 200))).toBe("next");
  });

  test("join: an empty room that has had its first messages meanwhile is whole", () => {
    const membership = new Membership(0, null);
    membership.join("chat:a");
    membership.onJoined(joined());
    membership.onBreak();
    membership.join("chat:a");
    membership.onJoined(joined({ head: at(2) }));
    expect(membership.judge(message(1, 0))).toBe("next");
  });

  test("judge: a re-join before the wanted history came misses no live message", () => {
    // Joined at 9 wanting 1; broken before it came; 10, 11 and 12 were published meanwhile. The
    // newest 1 is then 12, and 10 and 11 would be lost without a word.
    const membership = new Membership(1, null);
    membership.join("chat:a");
    membership.onJoined(joined({ head: at(9) }));
    membership.onBreak();
    expect(membership.join("chat:a")).toEqual({ room: "chat:a", after: undefined, history: 1 });
    membership.onJoined(joined({ head: at(12) }));
    expect(membership.judge(message(12, 11))).toBe("missing");
    membership.onBreach();
    membership.onLeft();
    expect(membership.join("chat:a")).toEqual({ room: "chat:a", after: at(9), history: 1 });
    expect(membership.onJoined(joined({ head: at(12), recovered: true })).isLoss).toBe(false);
    for (const seq of [10, 11, 12]) {
      expect(membership.judge(message(seq, seq - 1))).toBe("next");
      membership.onTaken(message(seq, seq - 1));
    }
  });

  test.each([
    ["goes on in the epoch after the head's", at(12), message(3, 2, 2), "missing"],
    ["begins before the head", at(12), message(8, 7), "next"],
    ["begins right behind the head", at(12), message(12, 9), "next"],
    ["is gone, and a live one shows it", undefined, message(13, 12), "missing"],
  ])("judge: after such a re-join, history that %s", (_what, head, incoming, verdict) => {
    const membership = new Membership(1, null);
    for (const each of [at(9), head]) {
      membership.join("chat:a");
      membership.onJoined(joined({ head: each }));
      if (each?.seq === 9) membership.onBreak();
    }
    expect(membership.judge(incoming)).toBe(verdict);
  });

  test("judge: a broken chain means joining again after the last taken, once", () => {
    const membership = memberAt10();
    expect(membership.judge(message(13, 12))).toBe("missing");
    membership.onBreach();
    expect(membership.judge(message(14, 13))).toBe("old"); // nothing is taken while leaving
    membership.onLeft();
    expect(membership.join("chat:a").after).toEqual(at(10));
    membership.onJoined(joined({ recovered: true, head: at(13) }));
    expect(membership.judge(message(13, 12))).toBe("next"); // 11 and 12 were void
    membership.onTaken(message(13, 12));
    expect(membership.judge(message(16, 15))).toBe("missing");
  });

  test("onJoined: not recovered is a loss, and the chain starts anew", () => {
    const membership = memberAt10();
    membership.onBreak();
    membership.join("chat:a");
    expect(membership.onJoined(joined({ recovered: false, loss: 2, head: at(3) })).isLoss).toBe(
      true,
    );
    expect(membership.judge(message(2, 1))).toBe("next");
  });

  test("onJoined: not recovered and nothing to replay, the head is where to resume", () => {
    const membership = new Membership(0, at(99));
    membership.join("chat:a");
    expect(membership.onJoined(joined({ recovered: false, head: at(3) })).isLoss).toBe(true);
    membership.onBreak();
    expect(membership.join("chat:a").after).toEqual(at(3));
  });

  test("onJoined: an ephemeral room loses what passed while away, but not at first", () => {
    const membership = new Membership(0, null);
    membership.join("live:a");
    expect(membership.onJoined(joined({}, false)).isLoss).toBe(false);
    membership.onBreak();
    expect(membership.join("live:a").after).toBeUndefined();
    expect(membership.onJoined(joined({}, false)).isLoss).toBe(true);
  });

  test("judge: a jump in the count of an ephemeral room is a loss of that many", () => {
    const membership = new Membership(0, null);
    membership.join("live:a");
    membership.onJoined(joined({}, false));
    expect(membership.judge(ephemeral(7))).toBe("next"); // the first may be any
    membership.onTaken(ephemeral(7));
    expect(membership.judge(ephemeral(8))).toBe("next");
    expect(membership.judge(ephemeral(11))).toBe("lost");
    expect(membership.lostCount(ephemeral(11))).toBe(3);
    membership.onGap(); // announced
    expect(membership.judge(ephemeral(11))).toBe("next");
  });

  test("leave: a parked member stays out over breaks until it has drained", () => {
    const membership = memberAt10();
    membership.leave("park");
    expect(membership.state).toEqual({ is: "leaving", alias: 1, next: "park" });
    membership.onBreak();
    expect(membership.state.is).toBe("parked");
    membership.onBreak();
    expect(membership.state.is).toBe("parked");
    expect(membership.unpark()).toBe(true);
    expect(membership.join("chat:a").after).toEqual(at(10));
  });

  test("unpark: one that is still leaving joins again as soon as it has left", () => {
    const membership = memberAt10();
    membership.leave("park");
    expect(membership.unpark()).toBe(false);
    membership.onLeft();
    expect(membership.state.is).toBe("out");
  });

  test("leave: leaving for good wins over parking", () => {
    const membership = memberAt10();
    membership.leave("park");
    membership.leave("end");
    membership.onLeft();
    expect(membership.state.is).toBe("ended");
  });
});
