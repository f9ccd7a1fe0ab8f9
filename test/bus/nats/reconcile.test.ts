/** R11: what a list must have more, and what it has too much. */
import { expect, test } from "vitest";
import { compareList } from "../../../bus/nats/reconcile.ts";
import { commit, firstRoute, type Route, startRemoving, startSealing } from "../../../bus/route.ts";

const slots = [0, 1, 2, 3, 4, 5];
const first = (slot: number) => firstRoute(slot, [0, 1]);
const subject = (slot: number, epoch = 1) => `tg.in.0-${slot}.${epoch}.*`;

function routesWith(changed: ReadonlyMap<number, Route>) {
  return { of: (slot: number) => changed.get(slot) ?? first(slot) };
}

test("compareList: a list that follows the records has nothing to change", () => {
  const list = ["tg.seal.0.>", subject(0), subject(2), subject(4)];
  const difference = compareList(list, routesWith(new Map()), 0, slots);
  expect(difference).toEqual({ missing: [], leftover: [] });
});

test("compareList: what was taken away is missing, what nobody uses is left over", () => {
  const list = ["tg.seal.0.>", subject(0), subject(0, 2), subject(3), subject(4), "else.>"];
  const difference = compareList(list, routesWith(new Map()), 0, slots);
  expect(difference).toEqual({ missing: [subject(2)], leftover: [subject(0, 2), subject(3)] });
});

test("compareList: a slot that moves is left alone; one that has moved belongs to the other", () => {
  const sealing = startSealing(first(2).record, 1, false, 0);
  const moved = commit(startRemoving(startSealing(first(4).record, 1, false, 0), 0), 9, 1, 1);
  const routes = routesWith(
    new Map([
      [2, { record: sealing, revision: 1 }],
      [4, { record: moved, revision: 2 }],
    ]),
  );
  expect(compareList([subject(0), subject(4)], routes, 0, slots)).toEqual({
    missing: [],
    leftover: [subject(4)],
  });
  expect(compareList([subject(1), subject(3), subject(5)], routes, 1, slots)).toEqual({
    missing: [subject(4, 2)],
    leftover: [],
  });
});
