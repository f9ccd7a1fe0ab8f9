/**
 * The record of a placement group, in bytes.
 */
import { GroupRecord } from "../proto/gen/tidegate/bus/v1/group_record.ts";

/** The bytes of a record. */
export function encodeGroup(record: GroupRecord): Uint8Array {
  return GroupRecord.encode(record).finish();
}

/** The record in a value, or null when it is none. */
export function decodeGroup(value: Uint8Array): GroupRecord | null {
  try {
    const record = GroupRecord.decode(value);
    return record.firstShards.length > 0 ? record : null;
  } catch {
    return null; // the caller says whose record is broken
  }
}
