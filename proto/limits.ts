/**
 * Limits of tenants as gateways and control plane read them: names, bounds, and the bus record.
 *
 * A limit that is set is one key of the bus KV bucket "control"; without it there is none. Both
 * sides resolve through this file, so they can not disagree.
 */
import { Limit, OutagePolicy } from "./gen/tidegate/control/v1/limit.ts";

/** Every limit, by name. */
export const LIMIT_NAMES = [
  "bytes-per-second",
  "connections",
  "connections-per-ip",
  "connections-per-user",
  "connects-per-second",
  "frame-bytes",
  "frames-per-second",
  "in-flight",
  "rooms",
  "stored-bytes",
  "user-publishes-per-second",
] as const;
/** One of {@link LIMIT_NAMES}. */
export type LimitName = (typeof LIMIT_NAMES)[number];

/** What is counted in the whole fleet, by seats and permits. */
export const QUOTA_NAMES = [
  "connections",
  "connections-per-ip",
  "connections-per-user",
  "rooms",
] as const satisfies readonly LimitName[];
/** One of {@link QUOTA_NAMES}. */
export type QuotaName = (typeof QUOTA_NAMES)[number];
/** The others: each gateway, or each connection, is held to them by itself. */
export type RateName = Exclude<LimitName, QuotaName>;

/** Largest value of a limit that is leased in chunks, and of rates. */
export const LIMIT_MAX = 1_000_000_000;
/** Largest value of "stored-bytes": 1 PB. */
export const STORED_BYTES_MAX = 1e15;
/** Bounds of "frame-bytes", as of the option FRAME_BYTES_MAX. */
export const FRAME_BYTES_BOUNDS = [1024, 1024 * 1024] as const;
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

/** Whether it is counted in the whole fleet. */
export function isQuotaName(name: LimitName): name is QuotaName {
  return (QUOTA_NAMES as readonly LimitName[]).includes(name);
}

/** Largest value of a limit. */
export function limitMax(limit: LimitName): number {
  switch (limit) {
    case "connections-per-ip":
    case "connections-per-user":
      return EXACT_LIMIT_MAX;
    case "stored-bytes":
      return STORED_BYTES_MAX;
    case "frame-bytes":
      return FRAME_BYTES_BOUNDS[1];
    default:
      return LIMIT_MAX;
  }
}

/** Smallest value of a limit that is set. */
export function limitMin(limit: LimitName): number {
  return limit === "frame-bytes" ? FRAME_BYTES_BOUNDS[0] : 1;
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
  const isWithin = number === 0 || (number >= limitMin(limit) && number <= limitMax(limit));
  if (!isWithin || !isKnownPolicy(record.outagePolicy)) return null;
  return { value: number, isOpenInOutage: record.outagePolicy === OutagePolicy.FAIL_OPEN };
}

function isKnownPolicy(policy: number): boolean {
  return policy === OutagePolicy.FAIL_CLOSED || policy === OutagePolicy.FAIL_OPEN;
}
