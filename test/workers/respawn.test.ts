/** Back-off of a child that keeps ending: bounded work, and quick after a healthy run. */
import { expect, test } from "vitest";
import {
  decideRespawn,
  FIRST_WAIT_MS,
  HEALTHY_MS,
  WAIT_FACTOR,
  WAIT_MS_MAX,
} from "../../workers/respawn.ts";

test("decideRespawn: waits grow by the factor up to the maximum, and stay there", () => {
  const waits: number[] = [];
  let failureCount = 0;
  for (let i = 0; i < 12; i += 1) {
    const next = decideRespawn(0, failureCount);
    failureCount = next.failureCount;
    waits.push(next.waitMs);
  }
  expect(waits.slice(0, 3)).toEqual([
    FIRST_WAIT_MS,
    FIRST_WAIT_MS * WAIT_FACTOR,
    FIRST_WAIT_MS * WAIT_FACTOR ** 2,
  ]);
  expect(waits.slice(-3)).toEqual([WAIT_MS_MAX, WAIT_MS_MAX, WAIT_MS_MAX]);
  expect(failureCount).toBe(12);
});

test("decideRespawn: a healthy run begins the count anew, a shorter one does not", () => {
  expect(decideRespawn(HEALTHY_MS, 9)).toEqual({ failureCount: 1, waitMs: FIRST_WAIT_MS });
  expect(decideRespawn(HEALTHY_MS - 1, 9)).toEqual({ failureCount: 10, waitMs: WAIT_MS_MAX });
});

test("decideRespawn: any number of failures has a wait", () => {
  expect(decideRespawn(0, 100_000).waitMs).toBe(WAIT_MS_MAX);
});
