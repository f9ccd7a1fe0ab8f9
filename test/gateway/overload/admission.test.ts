/** The door itself: order, those who are gone, and those whose turn would come too late. */
import { expect, test } from "vitest";
import { ADMISSION_WAIT_MS, Admission } from "../../../gateway/overload/admission.ts";
import { RATE_FIRST } from "../../../gateway/overload/decide-rate.ts";

test("admission: in order", async () => {
  const door = new Admission(true);
  const order: number[] = [];
  const waits: Promise<void>[] = [];
  for (let i = 0; i < 100; i += 1) {
    const turn = door.enter(() => false) ?? Promise.resolve();
    waits.push(turn.then(() => void order.push(i)));
  }
  expect(door.status.waitingCount).toBeGreaterThan(80);
  await Promise.all(waits);
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(door.status.waitingCount).toBe(0);
  door.close();
});

test("admission: those who are gone pass at once, and keep nobody waiting", async () => {
  const door = new Admission(true);
  const first = door.enter(() => true);
  const gone = Array.from({ length: 1500 }, () => door.enter(() => true));
  await Promise.all([first, gone[20]]);
  expect(door.status.waitingCount).toBe(0);
  door.close();
});

test("admission: beyond what passes in some seconds it is refused, with a time to come again", () => {
  const door = new Admission(true);
  const enter = () => door.enter(() => false);
  const room = (RATE_FIRST * ADMISSION_WAIT_MS) / 1000;
  for (let i = 0; i < room; i += 1) void enter();
  const refused: unknown[] = [];
  for (let i = 0; i < 500; i += 1) {
    try {
      void enter();
    } catch (error) {
      refused.push(error);
    }
  }
  expect(refused.length).toBeGreaterThan(400);
  expect(refused[0]).toMatchObject({ code: "OVERLOADED" });
  expect(door.status.waitingCount).toBeLessThanOrEqual(room + 20);
  door.close();
  expect(door.status.waitingCount).toBe(0);
});
