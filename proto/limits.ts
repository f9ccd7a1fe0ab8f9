/**
 * Limits of tenants as gateways and control plane read them: names, bounds, and the bus record.
 *
 * A limit that is set is one key of the bus KV bucket "control"; without it there is none. Both
 * sides resolve through this file, so they can not disagree.
 */
import { Limit, OutagePolicy } from "./gen/tidegate/control/v1/limit.ts";

/** Every limit, by name. */
export const LIMIT_NAMES = [
  "connections",
  "connections-per-ip",
  "connections-per-user",
  "rooms",
] as const;
/** One of {@link LIMIT_NAMES}. */
export type LimitName = (typeof LIMIT_NAMES)[number];

/** Largest value of a limit that is leased in chunks. */
export const LIMIT_MAX = 1_000_000_000;
/** Largest value of an exact one: all its seats are one key, of some 160 kB then. */
export const EXACT_LIMIT_MAX = 4096;
/** Members of a room at most, where a class sets a number: some 400 keys. */
export const MEMBER_COUNT_MAX = 100_000;

/** KV keys of limits in the bucket "control" begin so. */
export const LIMIT_PREFIX = "limit.";

/** What a limit is. */
export interface LimitSetting {
  /** 0: no limit. */
  readonly value: number;
  /** Whether gateways let in by their own count while the KV can not be reached. */
  readonly isOpenInOutage: boolean;
}

/** A limit that is not set. */
export const NO_LIMIT: LimitSetting = { value: 0, isOpenInOutage: false };

/** KV key of a limit; no part of it can hold a dot. */
export function limitKey(tenant: string, limit: LimitName): string {
  return `${LIMIT_PREFIX}${tenant}.${limit}`;
}

/** Resource name of a limit. */
export function limitName(tenant: string, limit: LimitName): string {
  return `tenants/${tenant}/limits/${limit}`;
}

/** Whether a limit of that name exists. */
export function isLimitName(name: string): name is LimitName {
  return (LIMIT_NAMES as readonly string[]).includes(name);
}

/** Largest value of a limit. */
export function limitMax(limit: LimitName): number {
  return limit === "connections" || limit === "rooms" ? LIMIT_MAX : EXACT_LIMIT_MAX;
}

/** What a record says, or null when it says nothing that this version knows. */
export function readLimit(limit: LimitName, value: Uint8Array): LimitSetting | null {
  let record: Limit;
  try {
    record = Limit.decode(value);
  } catch {
    return null; // no protobuf: somebody else wrote there
  }
  const number = Number(record.value);
  if (number > limitMax(limit) || !isKnownPolicy(record.outagePolicy)) return null;
  return { value: number, isOpenInOutage: record.outagePolicy === OutagePolicy.FAIL_OPEN };
}

function isKnownPolicy(policy: number): boolean {
  return policy === OutagePolicy.FAIL_CLOSED || policy === OutagePolicy.FAIL_OPEN;
}
