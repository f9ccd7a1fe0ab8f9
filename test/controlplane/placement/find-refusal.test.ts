/** Wishes that can not be granted: each is named, with what it is about and what to do. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findRefusal } from "../../../controlplane/placement/find-refusal.ts";
import { placeSlots } from "../../../controlplane/placement/place-slots.ts";
import { type PlacementGroup, RefusalCode } from "../../../controlplane/placement/placement.ts";
import { from } from "../../tidy/source.ts";
import { parseGroup } from "./group-text.ts";
import { anyGroup, isOpen, RUNS } from "./groups.ts";

describe("findRefusal", () => {
  test("names the shards that leave a region without one, and all rules", () => {
    const group = parseGroup("0@eu draining: 5; 1@us: 5; 2@eu retired:", "eu");
    expect(findRefusal(group)).toEqual({
      kind: "refused",
      code: "REGION_WITHOUT_SHARD",
      detail: 'no shard in "eu" is active; leaving there: 0, 2 (rule 0 allows "eu")',
      fix: "Create a shard there or stop draining one, or allow another region.",
      shards: [0, 2],
      slots: [],
    });
  });

  test("names the first of many slots, and lists all of them", () => {
    const group = parseGroup("0 draining:; 1: 1>0 1>0 1>0 1>0 1>0 1>0 1>0");
    expect(findRefusal(group)).toEqual({
      kind: "refused",
      code: "PIN_TO_LEAVING_SHARD",
      detail: "slots 0, 1, 2, 3, 4 and 2 more are pinned to 0, which are draining or retired",
      fix: "Unpin them or pin them elsewhere, then drain.",
      shards: [0],
      slots: [0, 1, 2, 3, 4, 5, 6],
    });
  });

  test("asks for a new snapshot when an owner is missing", () => {
    const { slots, ...rest } = parseGroup("0: 5 5; 1: 5");
    const torn = { ...rest, slots, shards: rest.shards.slice(0, 1) };
    expect(findRefusal(torn)).toMatchObject({ code: "OWNER_UNKNOWN", slots: [2] });
  });

  test("a region that a rule asks for, and no shard is in, is refused without shards", () => {
    const refusal = findRefusal(parseGroup("0@eu: 5", "ap"));
    expect(refusal).toMatchObject({ code: "REGION_WITHOUT_SHARD", shards: [] });
  });

  test("a rule that allows nothing contradicts itself", () => {
    const group = { ...parseGroup("0: 5"), regionRules: [{ name: "class game", regions: [] }] };
    expect(findRefusal(group)?.detail).toContain("class game allows none");
  });

  test("a plan is refused exactly when a shard or a pin is impossible, whatever is given", () => {
    const wild = fc.tuple(anyGroup(), fc.nat(), fc.option(fc.nat({ max: 30 }))).map(repin);
    fc.assert(
      fc.property(wild, (group) => {
        const open = new Set(group.shards.filter((one) => isOpen(group, one)).map(({ id }) => id));
        const isPinWrong = group.slots.some(({ pin }) => pin !== null && !open.has(pin));
        const decision = placeSlots(group);
        expect(decision.kind).toBe(open.size === 0 || isPinWrong ? "refused" : "planned");
        if (decision.kind === "planned") return;
        expect(decision.fix).toMatch(/^[A-Z].*\.$/);
        const slots = new Set(group.slots.map(({ slot }) => slot));
        expect(decision.slots.every((slot) => slots.has(slot))).toBe(true);
      }),
      RUNS,
    );
  });

  test("a group without slots is planned: there is nothing to move", () => {
    expect(placeSlots(parseGroup("0:; 1:"))).toMatchObject({ kind: "planned", moves: [] });
  });
});

test("docs/placement.md: has a line for every refusal", () => {
  const text = readFileSync(from("docs/placement.md"), "utf8");
  const codes = [...text.matchAll(/^\| `(\w+)` /gm)].map(([, code]) => code);
  expect(codes.sort()).toEqual(Object.values(RefusalCode).sort());
});

/** Pins one slot to a shard that may be leaving, outside, or not there at all. */
function repin([group, at, pin]: [PlacementGroup, number, number | null]): PlacementGroup {
  const slots = group.slots.map((slot, i) => {
    return i === at % group.slots.length ? { ...slot, pin } : slot;
  });
  return { ...group, slots };
}
