/** What is published through a gateway, by slot. */
import { expect, test } from "vitest";
import { Traffic } from "../../gateway/traffic.ts";

test("take: durable messages and bytes by slot since the last call; ephemeral ones only in all", () => {
  const traffic = new Traffic();
  traffic.countDurable(7, 100);
  traffic.countDurable(16_383, 1);
  traffic.countDurable(7, 50);
  traffic.countEphemeral();
  expect(traffic.take()).toEqual([
    { slot: 7, messageCount: 2, byteCount: 150 },
    { slot: 16_383, messageCount: 1, byteCount: 1 },
  ]);
  expect(traffic.take()).toEqual([]);
  traffic.countDurable(7, 3);
  expect(traffic.take()).toEqual([{ slot: 7, messageCount: 1, byteCount: 3 }]);
  expect(traffic.publishCount).toBe(5);
});

test("take: a slot beyond those there may be is counted in all, and nowhere else", () => {
  const traffic = new Traffic();
  traffic.countDurable(16_384, 9);
  expect(traffic.take()).toEqual([]);
  expect(traffic.publishCount).toBe(1);
});
