/**
 * The fence between what is put into a placement group and the group's deletion.
 */
import type { KeyValue, KeyWrite } from "./key-value.ts";
import { groupKey } from "./record-keys.ts";
import { missingGroup } from "./shard-rules.ts";

/**
 * A write for the commit of whoever puts something into a group: it changes nothing of the group's
 * record but its revision. So that commit fails when the group was deleted meanwhile, and a
 * deletion that was decided before it fails (`ETAG_MISMATCH`): of the two, one happens.
 *
 * @param control the bucket "control".
 * @returns nothing for group 0, which is there for ever.
 * @throws {CodedError} `NOT_FOUND`, `UNAVAILABLE`.
 */
export async function holdGroup(control: KeyValue, group: number): Promise<readonly KeyWrite[]> {
  if (group === 0) return [];
  const entry = await control.get(groupKey(group));
  if (entry === null) throw missingGroup(group);
  return [{ key: entry.key, value: entry.value, revision: entry.revision }];
}
