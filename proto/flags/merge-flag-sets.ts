/**
 * All sets together: which flag counts where two sets have one key, and which are for clients.
 *
 * Pure, and the same on every gateway: the set that comes first by name counts. The control plane
 * refuses both conflicts; two changes at the same moment can still bring one about.
 */
import { CLIENT_FLAG_COUNT_MAX } from "./flag-record.ts";
import type { ParsedFlag, ParsedFlagSet } from "./parse-flag-set.ts";

/** A set that is stored. */
export interface StoredFlagSet {
  readonly parsed: ParsedFlagSet;
  /** When each flag changed last, by key: milliseconds since 1970-01-01 UTC. */
  readonly versions: ReadonlyMap<string, number>;
}

/** A flag that counts. */
export interface MergedFlag {
  readonly flag: ParsedFlag;
  /** Id of its set. */
  readonly set: string;
  readonly version: number;
  /** It is one of the first {@link CLIENT_FLAG_COUNT_MAX} that want to be. */
  readonly isForClients: boolean;
}

/** What all sets say, and the conflicts in it. */
export interface MergedFlags {
  /** By key. */
  readonly flags: ReadonlyMap<string, MergedFlag>;
  /** Each as a sentence. */
  readonly conflicts: readonly string[];
}

/** Puts sets together, in the order of their names. */
export function mergeFlagSets(sets: ReadonlyMap<string, StoredFlagSet>): MergedFlags {
  const flags = new Map<string, MergedFlag>();
  const conflicts: string[] = [];
  let clientCount = 0;
  const inOrder = [...sets].sort(([left], [right]) => (left < right ? -1 : 1));
  for (const [set, { parsed, versions }] of inOrder) {
    for (const [key, flag] of parsed.flags) {
      const other = flags.get(key);
      if (other !== undefined) {
        conflicts.push(
          `flag ${key} is in flagSets/${other.set}, which counts, and flagSets/${set}`,
        );
        continue;
      }
      if (flag.isForClients) clientCount += 1;
      const isOver = flag.isForClients && clientCount > CLIENT_FLAG_COUNT_MAX;
      if (isOver) {
        const sentence = `flag ${key} of flagSets/${set} is not sent to clients`;
        conflicts.push(`${sentence}: ${CLIENT_FLAG_COUNT_MAX} others are, the most`);
      }
      const isForClients = flag.isForClients && !isOver;
      flags.set(key, { flag, set, version: versions.get(key) ?? 0, isForClients });
    }
  }
  return { flags, conflicts };
}
