/** Slots: never more at once than there are, and the rest in the order they came. */
import { expect, test } from "vitest";
import { Slots } from "../../gateway/slots.ts";

test("Slots: at most their count at once, first come first served, and all are free again", async () => {
  const slots = new Slots(3);
  const order: number[] = [];
  let heldCount = 0;
  let heldMax = 0;
  const work = async (index: number) => {
    await slots.acquire();
    order.push(index);
    heldCount += 1;
    heldMax = Math.max(heldMax, heldCount);
    for (let turn = 0; turn < 1 + (index % 4); turn += 1) await Promise.resolve();
    heldCount -= 1;
    slots.release();
  };
  await Promise.all(Array.from({ length: 50 }, (_, index) => work(index)));
  expect(order).toEqual(Array.from({ length: 50 }, (_, index) => index));
  expect([heldMax, heldCount]).toEqual([3, 0]);
  await Promise.all([slots.acquire(), slots.acquire(), slots.acquire()]);
});
