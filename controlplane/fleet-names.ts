/**
 * Resource names of the fleet, and their parts.
 *
 * Pure. "gateways/{gateway}", "groups/{group}/shards/{shard}", "groups/{group}/slots/{slot}"; there
 * is one placement group, 0.
 */
import { InvalidFieldsError, shown } from "./invalid-fields.ts";

/** The one placement group. */
const group = "groups/0";

/** Name of a process. */
export function gatewayName(id: string): string {
  return `gateways/${id}`;
}

/** Name of a shard. */
export function shardName(shard: number): string {
  return `${group}/shards/${shard}`;
}

/** Name of a slot. */
export function slotName(slot: number): string {
  return `${group}/slots/${slot}`;
}

/** The id of a "gateways/{gateway}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseGatewayName(name: string, field: string): string {
  const id = /^gateways\/([a-z0-9-]{1,32})$/.exec(name)?.[1];
  if (id !== undefined) return id;
  throw refusal(name, field, '"gateways/{gateway}", gateway [a-z0-9-]{1,32}');
}

/** Refuses what is not "groups/0". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function checkGroupName(parent: string, field: string): void {
  if (parent !== group) throw refusal(parent, field, `"${group}"`);
}

/** The number of a "groups/0/shards/{shard}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseShardName(name: string, field: string): number {
  return parseNumber(name, field, "shards", "{shard}");
}

/** The number of a "groups/0/slots/{slot}". @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseSlotName(name: string, field: string): number {
  return parseNumber(name, field, "slots", "{slot}");
}

function parseNumber(name: string, field: string, collection: string, part: string): number {
  const prefix = `${group}/${collection}/`;
  const number = name.slice(prefix.length);
  // One name for one thing: no "007".
  if (name.startsWith(prefix) && /^(0|[1-9]\d{0,5})$/.test(number)) return Number(number);
  throw refusal(name, field, `"${prefix}${part}", a whole number`);
}

function refusal(name: string, field: string, wanted: string): InvalidFieldsError {
  return new InvalidFieldsError([{ field, description: `${shown(name)} is not ${wanted}` }]);
}
