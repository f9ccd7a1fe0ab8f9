/**
 * Placement groups as text, for tests that read like documentation.
 *
 * "0: 5 3 ?; 1 draining: 4>2; 2@us ×2:" is three shards: 0 with slots of load 5, 3 and one that
 * was not observed; 1 draining, with a slot of load 4 pinned to 2; 2 in region us, of capacity 2,
 * empty.
 * Slots are numbered from 0 as they stand.
 */
import type {
  PlacementGroup,
  PlacementPlan,
  PlacementShard,
  PlacementSlot,
  RegionRule,
  ShardState,
} from "../../../controlplane/placement/placement.ts";

/** @param rules "eu or us; us": the regions of each rule; "–": no rule. */
export function parseGroup(text: string, rules = "–"): PlacementGroup {
  const shards: PlacementShard[] = [];
  const slots: PlacementSlot[] = [];
  for (const part of text.split(";")) {
    const match = /^(\d+)(?:@(\w+))?(?: ×(\d+))?(?: (draining|retired))?:(.*)$/.exec(part.trim());
    if (match === null) throw new Error(`"${part}" is no shard`);
    const [, id = "", region = "", capacity = "1", state = "active", loads = ""] = match;
    const shard = Number(id);
    const ofShard = { id: shard, region, capacity: Number(capacity) };
    shards.push({ ...ofShard, state: state as ShardState });
    for (const word of loads.split(" ").filter((one) => one !== "")) {
      const [load = "", pin] = word.split(">");
      slots.push({
        slot: slots.length,
        owner: shard,
        load: load === "?" ? null : Number(load),
        pin: pin === undefined ? null : Number(pin),
      });
    }
  }
  const regionRules: RegionRule[] =
    rules === "–"
      ? []
      : rules.split("; ").map((rule, i) => ({ name: `rule ${i}`, regions: rule.split(" or ") }));
  return { shards, slots, regionRules };
}

/** "slot from→to reason", or "none". */
export function showMoves({ moves }: PlacementPlan): string {
  const shown = moves.map(({ slot, from, to, reason }) => `${slot} ${from}→${to} ${reason}`);
  return shown.length === 0 ? "none" : shown.join(", ");
}

/** Loads of each shard's slots after the plan, as in the text of a group. */
export function showOwners(group: PlacementGroup, { owners }: PlacementPlan): string {
  const shown = group.shards.map(({ id }) => {
    const own = group.slots.filter(({ slot }) => owners.get(slot) === id);
    return `${id}: ${own.map(({ load }) => load ?? "?").join(" ")}`.trim();
  });
  return shown.join("; ");
}
