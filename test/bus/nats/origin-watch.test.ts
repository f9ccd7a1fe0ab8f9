/** When an origin's silence means that it died. */
import { expect, test } from "vitest";
import { judgeSilence, type Origin } from "../../../bus/nats/origin-watch.ts";

/** Runs 10 s of silence after a sign at tick 1000, answering after `answerTicks`. */
function silence(origin: Partial<Origin>, answerTicks = Number.POSITIVE_INFINITY): string[] {
  const state: Origin = {
    ...{ id: 1, trafficTick: 1000, signTick: 1000, askedTick: 0, isSilent: false },
    ...origin,
  };
  const log: string[] = [];
  for (let tick = 1000; tick <= 1040; tick += 1) {
    if (state.askedTick > state.signTick && tick >= state.askedTick + answerTicks) {
      state.signTick = tick;
    }
    const verdict = judgeSilence(state, tick);
    if (verdict !== "nothing") log.push(`${verdict} ${(tick - 1000) / 4}`);
    if (verdict === "ask") state.askedTick = tick;
    if (verdict === "dead") state.isSilent = true;
  }
  return log;
}

test("judgeSilence: asked after 0.75 s, taken for dead before 2 s, once", () => {
  expect(silence({})).toEqual(["ask 0.75", "dead 1.5"]);
});

test("judgeSilence: one that answers is asked until its traffic is 2 s old, and no more", () => {
  expect(silence({}, 1)).toEqual(["ask 0.75", "ask 1.75"]);
  expect(silence({}, 2)).toEqual(["ask 0.75", "ask 2"]);
});

test("judgeSilence: one without traffic lately, or silent already, is left alone", () => {
  expect(silence({ trafficTick: 992 })).toEqual([]);
  expect(silence({ isSilent: true })).toEqual([]);
});
