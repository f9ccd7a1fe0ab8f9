/**
 * The records of the bucket "control" that gateways follow: by the beginning of their keys.
 *
 * Both sides need it: control planes stream these prefixes, gateways watch those they apply.
 */
import { RecordKind } from "./gen/tidegate/control/v1/routing.ts";
import { ROOM_CLASS_PREFIX } from "./room-class.ts";

/** What records are streamed, by prefix. The rest of the bucket is the control planes' own. */
export const STREAMED_RECORDS: ReadonlyMap<string, RecordKind> = new Map<string, RecordKind>([
  [ROOM_CLASS_PREFIX, RecordKind.ROOM_CLASS],
  ["limit.", RecordKind.LIMIT],
  ["slot.", RecordKind.SLOT_ROUTE],
  ["shard.", RecordKind.SHARD],
  ["group.", RecordKind.PLACEMENT_GROUP],
  ["revocation.", RecordKind.REVOCATION],
  ["flags.", RecordKind.FLAG_SET],
  ["gate.", RecordKind.VERSION_GATE],
]);

/** The kind of a key's record; UNSPECIFIED for one that is not streamed. */
export function recordKind(key: string): RecordKind {
  const prefix = key.slice(0, key.indexOf(".") + 1);
  return STREAMED_RECORDS.get(prefix) ?? RecordKind.UNSPECIFIED;
}
