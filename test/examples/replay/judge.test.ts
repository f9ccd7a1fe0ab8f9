/** The replay's judge: each fault is seen, and only where it is. */
import { describe, expect, test } from "vitest";
import {
  type ConsumerLog,
  isKept,
  judgeRoom,
  percentile,
  type ReceivedMessage,
  type RoomVerdict,
  type SentMessage,
} from "../../../examples/replay/judge.ts";

const room = "chat:a";

/** Two publishers, A and B, with three acknowledged messages each. */
function sentSix(): SentMessage[] {
  return ["A", "B"].flatMap((publisher) =>
    [1, 2, 3].map((n) => {
      const ackedAtMs = n * 100;
      return { room, publisher, n, outcome: "acknowledged" as const, ackedAtMs };
    }),
  );
}

/** A log of messages written as "A1 B1 …", received 10 ms apart from 1000 on. */
function logOf(text: string, more: Partial<ConsumerLog> = {}): ConsumerLog {
  const received = text.split(" ").map((word, at): ReceivedMessage => {
    const [publisher = "", n = ""] = word;
    return { room, publisher, n: Number(n), sentAtMs: 990, gotAtMs: 1000 + at * 10 };
  });
  return { name: "c", received, openedAtMs: [], gaps: [], ...more };
}

const whole = "A1 B1 A2 B2 A3 B3";

/** The verdict on the second of two logs; the first one has the right order. */
function judge(text: string, more: Partial<ConsumerLog> = {}, sent = sentSix()): RoomVerdict {
  const [, verdict] = judgeRoom(room, true, sent, [logOf(whole), logOf(text, more)]);
  if (verdict === undefined) throw new Error("there are two logs");
  return verdict;
}

describe("judgeRoom", () => {
  test("finds nothing in a whole log", () => {
    const verdict = judge(whole);
    expect(verdict).toMatchObject({ expected: 6, received: 6, missing: 0, doubled: 0 });
    expect(verdict).toMatchObject({ outOfOrder: 0, unexpected: 0, recovered: 0, gaps: 0 });
    expect(isKept(verdict)).toBe(true);
  });

  test.each([
    ["missing", "A1 B1 A2 B2 A3", 1],
    ["doubled", "A1 B1 A2 B2 A3 B3 A2", 1],
    ["outOfOrder", "A1 B1 B2 A3 A2 B3", 1], // against its publisher's own order
    ["outOfOrder", "B1 A1 A2 B2 A3 B3", 1], // against the order that the first consumer saw
    ["outOfOrder", "A2 A1 B1 B2 A3 B3", 2], // one that came too early, before two
    ["unexpected", `${whole} A9`, 1],
  ] as const)("counts %s in %s", (fault, text, count) => {
    const verdict = judge(text);
    const faults = ["missing", "doubled", "outOfOrder", "unexpected"] as const;
    for (const name of faults) expect(verdict[name], name).toBe(name === fault ? count : 0);
    expect(isKept(verdict)).toBe(false);
  });

  test("allows a publish of unknown outcome to come once, late, or not at all", () => {
    const sent: SentMessage[] = sentSix().map((one) =>
      one.publisher === "B" && one.n === 1 ? { ...one, outcome: "unknown" } : one,
    );
    for (const text of [whole, "A1 A2 B2 A3 B3", "A1 A2 B2 A3 B3 B1"]) {
      expect(isKept(judge(text, {}, sent)), text).toBe(true);
    }
    expect(isKept(judge(`${whole} B1`, {}, sent))).toBe(false);
  });

  test("does not allow a failed publish to come", () => {
    const sent: SentMessage[] = sentSix().map((one) =>
      one.publisher === "B" && one.n === 1 ? { ...one, outcome: "failed" } : one,
    );
    expect(judge(whole, {}, sent)).toMatchObject({ expected: 5, unexpected: 1 });
  });

  test("counts as recovered what was acknowledged before the consumer was back", () => {
    // Acknowledged at 100, 200 and 300; back at 250; received from 1000 on.
    expect(judge(whole, { openedAtMs: [250] }).recovered).toBe(4);
    expect(judge(whole, { openedAtMs: [250, 1045] }).recovered).toBe(5);
  });

  test("a gap is a fault in a durable room, and allowed with losses in an ephemeral one", () => {
    expect(isKept(judge(whole, { gaps: [room] }))).toBe(false);
    const [verdict] = judgeRoom(room, false, sentSix(), [logOf("A1 B3", { gaps: [room] })]);
    expect(verdict).toMatchObject({ missing: 4, gaps: 1 });
    expect(verdict !== undefined && isKept(verdict)).toBe(true);
  });

  test("a room in which nothing was acknowledged proves nothing", () => {
    expect(isKept(judge("A1", {}, []))).toBe(false);
  });
});

test("percentile: the value below which the share lies", () => {
  const values = Array.from({ length: 100 }, (_, at) => 100 - at);
  expect(percentile(values, 0.5)).toBe(51);
  expect(percentile(values, 0.99)).toBe(100);
  expect(percentile([], 0.5)).toBe(0);
});
