/**
 * Keys of bucket "control" that say where slots may be: pins, and regions of groups.
 *
 * Pure. Only control planes read them; gateways follow the routing records that come of them.
 */
import { formatSlot } from "../../bus/subjects.ts";

/** What keys of pins begin with; the value is an encoded SlotPin. */
export const PIN_PREFIX = "pin.";
/** What keys of groups' regions begin with; the value is an encoded PlacementGroup. */
export const GROUP_PREFIX = "placement.";

/** Key of a slot's pin. @param slot counted over all groups. */
export function pinKey(slot: number): string {
  return PIN_PREFIX + formatSlot(slot);
}

/** Key of a group's regions. */
export function placementGroupKey(group: number): string {
  return GROUP_PREFIX + String(group);
}
