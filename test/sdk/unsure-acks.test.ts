/** Acks that wait for the word on later publishes. */
import { expect, test } from "vitest";
import { UnsureAcks } from "../../sdk/typescript/unsure-acks.ts";

function told(acks: UnsureAcks<{ seq: number }, string>, uncertainSeqMax: number): string[] {
  const words: string[] = [];
  let sure = acks.takeSure(uncertainSeqMax);
  for (; sure !== undefined; sure = acks.takeSure(uncertainSeqMax)) {
    words.push(sure.result ?? `${sure.item.seq} overtaken`);
  }
  return words;
}

const at = (seq: number, epoch = 1) => ({ epoch, seq });

test("unsure acks: told at once when nothing later is uncertain", () => {
  const acks = new UnsureAcks<{ seq: number }, string>();
  acks.add({ seq: 1 }, at(10), "a");
  expect(told(acks, 0)).toEqual(["a"]);
  acks.add({ seq: 2 }, at(11), "b");
  expect(told(acks, 1)).toEqual(["b"]);
  expect(told(acks, 0)).toEqual([]);
});

// A gateway had stored 2 and refused 1 when it died: 1 was acknowledged behind 2.
test("unsure acks: one that is stored behind a later publish is overtaken", () => {
  const acks = new UnsureAcks<{ seq: number }, string>();
  acks.add({ seq: 1 }, at(20), "a");
  expect(told(acks, 3)).toEqual([]);
  acks.add({ seq: 2 }, at(10), "b");
  expect(told(acks, 3)).toEqual([]);
  acks.add({ seq: 3 }, at(21), "c");
  expect(told(acks, 0)).toEqual(["1 overtaken", "b", "c"]);
});

test("unsure acks: a later epoch is later, and later acks wait for earlier ones", () => {
  const acks = new UnsureAcks<{ seq: number }, string>();
  acks.add({ seq: 1 }, at(20), "a");
  acks.add({ seq: 2 }, at(3, 2), "b");
  expect(told(acks, 2)).toEqual([]);
  expect(told(acks, 0)).toEqual(["a", "b"]);
});
