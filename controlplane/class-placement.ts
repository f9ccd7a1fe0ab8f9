/**
 * Whether a room class may be where it asks to be: its group exists, and its regions leave its
 * slots a shard.
 */
import type { Topology } from "../bus/topology.ts";
import type { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { groupOfClass } from "../proto/room-class.ts";
import { InvalidFieldsError } from "./invalid-fields.ts";
import { placementError } from "./operations/refuse-placement.ts";
import { placementGroupOf, type Snapshot } from "./operations/snapshot.ts";
import { findRefusal } from "./placement/find-refusal.ts";

/** Checks classes before they are written. */
export class ClassPlacement {
  readonly #topology: Topology;
  readonly #readSnapshot: () => Promise<Snapshot>;

  constructor(topology: Topology, readSnapshot: () => Promise<Snapshot>) {
    this.#topology = topology;
    this.#readSnapshot = readSnapshot;
  }

  /**
   * Refuses what can not be.
   *
   * @param before null when it did not exist.
   * @throws {CodedError} `NOT_FOUND` (the group), and what docs/placement.md says of regions, each
   *   with its field; `UNAVAILABLE`.
   */
  async check(before: RoomClass | null, after: RoomClass): Promise<void> {
    const group = groupOfClass(after);
    if (group !== 0 && before === null) await this.#refuseMissing(after.placementGroup, group);
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

  async #refuseMissing(name: string, group: number): Promise<void> {
    const groups = await this.#topology.groups();
    if (groups.some((entry) => entry.group === group)) return;
    const description = `there is no ${name}; create it first (tidegatectl groups create)`;
    throw new InvalidFieldsError(
      [{ field: "room_class.placement_group", description }],
      "NOT_FOUND",
    );
  }
}
