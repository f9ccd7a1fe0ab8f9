/** A room's newest messages: what can be continued from, and the bounds on what is kept. */
import { describe, expect, test } from "vitest";
import type { DurableMessage } from "../../bus/bus.ts";
import { RECENT_BYTES_MAX, RECENT_COUNT_MAX, RecentMessages } from "../../gateway/recent.ts";

function message(seq: number, prevSeq: number, bytes = 1, epoch = 1): DurableMessage {
  return { epoch, seq, prevSeq, timeUs: seq, envelope: new Uint8Array(bytes) };
}

function seqs(messages: readonly DurableMessage[] | null): number[] | null {
  return messages?.map(({ seq }) => seq) ?? null;
}

describe("RecentMessages", () => {
  test("after: the messages after a place that they continue, null where something may be missing", () => {
    const recent = new RecentMessages();
    for (const [seq, prev] of [
      [20, 10],
      [30, 20],
      [45, 30],
    ] as const)
      recent.push(message(seq, prev));
    expect(seqs(recent.after(1, 10))).toEqual([20, 30, 45]);
    expect(seqs(recent.after(1, 15))).toEqual([20, 30, 45]); // between: 10 was the one before 20
    expect(seqs(recent.after(1, 20))).toEqual([30, 45]);
    expect(seqs(recent.after(1, 44))).toEqual([45]);
    expect(recent.after(1, 9)).toBeNull(); // 10 is not here
    expect(recent.after(1, 45)).toBeNull();
    expect(recent.after(2, 20)).toBeNull();
    expect(new RecentMessages().after(1, 0)).toBeNull();
  });

  test("push: keeps the newest within count", () => {
    const recent = new RecentMessages();
    const count = RECENT_COUNT_MAX + 10;
    for (let seq = 1; seq <= count; seq += 1) recent.push(message(seq, seq - 1));
    expect(recent.after(1, 9)).toBeNull();
    expect(recent.after(1, 10)?.length).toBe(RECENT_COUNT_MAX);
  });

  test("push: keeps the newest within bytes, even when one alone is too large", () => {
    const recent = new RecentMessages();
    for (let seq = 1; seq <= 20; seq += 1) recent.push(message(seq, seq - 1, RECENT_BYTES_MAX / 8));
    expect(seqs(recent.after(1, 12))).toEqual([13, 14, 15, 16, 17, 18, 19, 20]);
    expect(recent.after(1, 11)).toBeNull();
    recent.push(message(21, 20, RECENT_BYTES_MAX + 1));
    expect(recent.after(1, 20)).toBeNull();
    recent.push(message(22, 21));
    expect(seqs(recent.after(1, 21))).toEqual([22]);
  });
});
