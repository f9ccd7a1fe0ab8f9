/** Answers in turn, and what stands behind a failure (R3). */
import { expect, test } from "vitest";
import { InOrder } from "../../../bus/nats/in-order.ts";

function recorder() {
  const queue = new InOrder();
  const told: string[] = [];
  const answer = (name: string, isFailure: boolean) => (hasFailed: boolean) => {
    told.push(hasFailed ? `${name} behind` : name);
    return isFailure;
  };
  return { queue, told, answer };
}

test("reserve: answers come in order, each key for itself", () => {
  const { queue, told, answer } = recorder();
  const [a, b] = [queue.reserve("k"), queue.reserve("k")];
  const other = queue.reserve("l");
  b(answer("b", false));
  other(answer("other", false));
  expect(told).toEqual(["other"]);
  a(answer("a", false));
  expect(told).toEqual(["other", "a", "b"]);
});

test("reserve: those behind a failure know of it until the queue is empty", () => {
  const { queue, told, answer } = recorder();
  const [a, b, c, d] = ["k", "k", "k", "l"].map((key) => queue.reserve(key));
  b?.(answer("b", true));
  d?.(answer("d", false));
  a?.(answer("a", false));
  c?.(answer("c", false));
  queue.reserve("k")(answer("e", false));
  expect(told).toEqual(["d", "a", "b", "c behind", "e"]);
});
