/**
 * Resource names of the fleet, and their parts.
 *
 * Pure. "gateways/{gateway}", "groups/{group}/shards/{shard}", "groups/{group}/slots/{slot}",
 * "operations/{operation}". A shard's number is unique over all groups; a slot's is that in its
 * group, while the code counts slots over all groups.
 */
import { GROUP_COUNT_MAX, groupOfSlot, SLOT_COUNT } from "../bus/subjects.ts";
import { InvalidFieldsError, shown } from "./invalid-fields.ts";

const shardPattern = /^groups\/(0|[1-9]\d?)\/shards\/(0|[1-9]\d{0,5})$/;
const slotPattern = /^groups\/(0|[1-9]\d?)\/slots\/(0|[1-9]\d{0,5})$/;

/** A shard, by the parts of its name. */
export interface ShardId {
  /** 0 to 15. */
  readonly group: number;
  /** 0 or more; that there is one, and in this group, is not said. */
  readonly shard: number;
}

/** A slot, by the parts of its name. */
export interface SlotId {
  /** 0 to 15. */
  readonly group: number;
  /** In the group: 0 or more; 1024 and beyond there are none. */
  readonly number: number;
  /** Over all groups, as the bus counts. */
  readonly slot: number;
}

/** Name of a process. */
export function gatewayName(id: string): string {
  return `gateways/${id}`;
}

/** Name of a placement group. */
export function groupName(group: number): string {
  return `groups/${group}`;
}

/** Name of a shard of a group. */
export function shardName(group: number, shard: number): string {
  return `${groupName(group)}/shards/${shard}`;
}

/** Name of a slot, counted over all groups. */
export function slotName(slot: number): string {
  return `${groupName(groupOfSlot(slot))}/slots/${slot % SLOT_COUNT}`;
}

/** Name of an operation. */
export function operationName(id: string): string {
  return `operations/${id}`;
}

/** The id of a "gateways/{gateway}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseGatewayName(name: string, field: string): string {
  const id = /^gateways\/([a-z0-9-]{1,32})$/.exec(name)?.[1];
  if (id !== undefined) return id;
  throw refusal(name, field, '"gateways/{gateway}", gateway [a-z0-9-]{1,32}');
}

/** The id of an "operations/{operation}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseOperationName(name: string, field: string): string {
  const id = /^operations\/([a-z0-9-]{1,40})$/.exec(name)?.[1];
  if (id !== undefined) return id;
  throw refusal(name, field, '"operations/{operation}", operation [a-z0-9-]{1,40}');
}

/** The number of a "groups/{group}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseGroupName(name: string, field: string): number {
  const [, group] = /^groups\/(0|[1-9]\d?)$/.exec(name) ?? [];
  if (group !== undefined && Number(group) < GROUP_COUNT_MAX) return Number(group);
  throw refusal(name, field, `"groups/{group}", group 0 to ${GROUP_COUNT_MAX - 1}`);
}

/** The parts of a shard's name. @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseShardName(name: string, field: string): ShardId {
  const [group, shard] = parseNumbers(name, field, shardPattern, "shards/{shard}");
  return { group, shard };
}

/** The parts of a slot's name. @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseSlotName(name: string, field: string): SlotId {
  const [group, number] = parseNumbers(name, field, slotPattern, "slots/{slot}");
  return { group, number, slot: group * SLOT_COUNT + number };
}

/** One name for one thing: no "007". */
function parseNumbers(
  name: string,
  field: string,
  pattern: RegExp,
  rest: string,
): readonly [number, number] {
  const [, group, number] = pattern.exec(name) ?? [];
  if (group !== undefined && number !== undefined && Number(group) < GROUP_COUNT_MAX) {
    return [Number(group), Number(number)];
  }
  const bound = `group 0 to ${GROUP_COUNT_MAX - 1}, and a whole number`;
  throw refusal(name, field, `"groups/{group}/${rest}", ${bound}`);
}

function refusal(name: string, field: string, wanted: string): InvalidFieldsError {
  return new InvalidFieldsError([{ field, description: `${shown(name)} is not ${wanted}` }]);
}
