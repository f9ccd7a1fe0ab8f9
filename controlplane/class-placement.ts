/**
 * Whether a room class may be where it asks to be: its group exists, and its regions leave its
 * slots a shard.
 */
import { holdGroup } from "../bus/hold-group.ts";
import type { KeyValue, KeyWrite } from "../bus/key-value.ts";
import { CodedError } from "../proto/coded-error.ts";
import type { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { groupOfClass } from "../proto/room-class.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import { placementError } from "./operations/refuse-placement.ts";
import { placementGroupOf, type Snapshot } from "./operations/snapshot.ts";
import { findRefusal } from "./placement/find-refusal.ts";

/** Checks classes before they are written. */
export class ClassPlacement {
  readonly #keys: KeyValue;
  readonly #readSnapshot: () => Promise<Snapshot>;

  /** @param keys the bucket "control". */
  constructor(keys: KeyValue, readSnapshot: () => Promise<Snapshot>) {
    this.#keys = keys;
    this.#readSnapshot = readSnapshot;
  }

  /**
   * Refuses what can not be.
   *
   * @param before null when it did not exist.
   * @returns what the commit of a new class takes along: with the group deleted meanwhile it fails.
   * @throws {CodedError} `NOT_FOUND` (the group), and what docs/placement.md says of regions, each
   *   with its field; `UNAVAILABLE`.
   */
  async check(before: RoomClass | null, after: RoomClass): Promise<readonly KeyWrite[]> {
    const group = groupOfClass(after);
    const held = before === null ? await this.#hold(after.placementGroup, group) : [];
    await this.#refuseRegions(before, after, group);
    return held;
  }

  async #refuseRegions(before: RoomClass | null, after: RoomClass, group: number): Promise<void> {
    const isSame = before?.regions.join(" ") === after.regions.join(" ");
    if (isSame || (before === null && after.regions.length === 0)) return;
    const { name, regions } = after;
    const snapshot = await this.#readSnapshot();
    const others = (snapshot.rules.get(group) ?? []).filter((rule) => rule.name !== name);
    const rules = regions.length === 0 ? others : [...others, { name, regions }];
    const refusal = findRefusal(placementGroupOf(snapshot, group, { rules }));
    if (refusal === null) return;
    const { code, detail } = placementError(refusal);
    throw new InvalidFieldsError([{ field: "room_class.regions", description: detail }], code);
  }

  async #hold(name: string, group: number): Promise<readonly KeyWrite[]> {
    try {
      return await holdGroup(this.#keys, group);
    } catch (reason) {
      if (CodedError.from(reason).code !== "NOT_FOUND") throw reason;
      const description = `there is no ${name}; create it first (tidegatectl groups create)`;
      const field = "room_class.placement_group";
      throw new InvalidFieldsError([{ field, description }], "NOT_FOUND");
    }
  }
}
