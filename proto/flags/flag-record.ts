/**
 * Sets of flags as records of the bucket "control": names, keys and bounds, for both sides.
 */

/** KV keys of flag sets begin so: "flags.<set>". */
export const FLAG_SET_PREFIX = "flags.";
/** Bytes of a definition: a request of the control plane takes 128 KiB. */
export const DEFINITION_BYTES_MAX = 98_304;
/** Sets at once: all of them together fit the 4 MB that a flagd client takes. */
export const FLAG_SET_COUNT_MAX = 32;
/** Flags of one set. */
export const FLAG_COUNT_MAX = 500;
/** Flags for clients, of all sets: each Welcome evaluates them, and has about 60 bytes of each. */
export const CLIENT_FLAG_COUNT_MAX = 100;
/** What the system itself asks; see gateway/flags/system-flags.ts. */
export const SYSTEM_FLAG_PREFIX = "tidegate.";

const setPattern = /^[a-z][a-z0-9-]{0,31}$/;

/** Whether it can name a set. */
export function isFlagSetId(id: string): boolean {
  return setPattern.test(id);
}

/** The key of a set's record. */
export function flagSetKey(id: string): string {
  return FLAG_SET_PREFIX + id;
}

/** The resource name of a set. */
export function flagSetName(id: string): string {
  return `flagSets/${id}`;
}
