/** The bounded queue between the read loop and the application. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventQueue } from "../../sdk/typescript/event-queue.ts";

describe("EventQueue", () => {
  test("offer and take: keeps order and bounds, whatever comes", () => {
    const step = fc.option(fc.nat({ max: 60 }), { freq: 3 });
    const bounds = fc.record({
      count: fc.integer({ min: 1, max: 20 }),
      bytes: fc.integer({ min: 1, max: 200 }),
    });
    fc.assert(
      fc.property(bounds, fc.array(step, { maxLength: 300 }), (max, steps) => {
        const queue = new EventQueue<number>(max.count, max.bytes);
        const model: { item: number; bytes: number }[] = [];
        steps.forEach((bytes, item) => {
          if (bytes === null) {
            expect(queue.take()).toBe(model.shift()?.item);
          } else {
            const held = model.reduce((sum, each) => sum + each.bytes, 0);
            const fits = model.length < max.count && held + bytes <= max.bytes;
            expect(queue.offer(item, bytes)).toBe(fits || model.length === 0);
            if (fits || model.length === 0) model.push({ item, bytes });
          }
          expect(queue.count).toBe(model.length);
          expect(queue.count).toBeLessThanOrEqual(max.count);
          if (queue.count > 1) expect(queue.bytes).toBeLessThanOrEqual(max.bytes);
        });
      }),
      { numRuns: 500 },
    );
  });

  test("take: ten thousand items through a queue that is never empty come out in order", () => {
    const queue = new EventQueue<number>(5000, 1_000_000);
    let taken = 0;
    for (let item = 0; item < 10_000; item += 1) {
      queue.offer(item, 1);
      if (item >= 2000) {
        expect(queue.take()).toBe(taken);
        taken += 1;
      }
    }
    expect([queue.count, queue.bytes]).toEqual([2000, 2000]);
  });

  test("isHigh and isLow: half and a quarter, by count or bytes", () => {
    const queue = new EventQueue<number>(8, 80);
    expect([queue.isHigh, queue.isLow]).toEqual([false, true]);
    for (let i = 0; i < 3; i += 1) queue.offer(i, 1);
    expect([queue.isHigh, queue.isLow]).toEqual([false, false]);
    queue.offer(3, 40);
    expect(queue.isHigh).toBe(true);
    for (let i = 0; i < 3; i += 1) queue.take();
    expect([queue.isHigh, queue.isLow]).toEqual([true, false]); // one large item is left
    queue.clear();
    expect([queue.isLow, queue.count, queue.bytes]).toEqual([true, 0, 0]);
  });

  test("force: goes beyond the bound", () => {
    const queue = new EventQueue<string>(1, 10);
    queue.offer("a", 10);
    expect(queue.offer("b", 1)).toBe(false);
    queue.force("gap", 1);
    expect([queue.take(), queue.take(), queue.take()]).toEqual(["a", "gap", undefined]);
  });
});
