/**
 * Limits of tenants: what a request means for the stored record, and what callers see.
 *
 * Pure. Every limit exists; one that is not set has its default, which is none, and no record.
 */
import { CodedError } from "../proto/coded-error.ts";
import { Limit, OutagePolicy } from "../proto/gen/tidegate/control/v1/limit.ts";
import { isLimitName, type LimitName, limitMax, limitMin, limitName } from "../proto/limits.ts";
import { isTenantName } from "../proto/room-name.ts";
import type { RecordChange, StoredRecord } from "./control-store.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "./invalid-fields.ts";

/** A limit of a tenant. */
export interface LimitId {
  readonly tenant: string;
  readonly limit: LimitName;
}

/** What an update says. */
export interface LimitWish {
  readonly given: Limit;
  readonly mask: readonly string[];
  readonly allowBelowUse: boolean;
}

/** Fields that an update may set. */
const settable = ["value", "outage_policy"] as const;
/** Fields that only the server writes, or that name the limit: ignored in a mask (AIP-203). */
const outputFields = ["name", "etag", "update_time", "used"];

/**
 * The parts of a "tenants/{tenant}/limits/{limit}".
 *
 * @param field the request's field, named in the error.
 * @throws {CodedError} `REQUEST_INVALID`; `NOT_FOUND` for a limit that there is not.
 */
export function parseLimitName(name: string, field: string): LimitId {
  const [tenants, tenant = "", limits, limit = "", ...rest] = name.split("/");
  const isShaped = tenants === "tenants" && limits === "limits" && rest.length === 0;
  if (!isShaped || !isTenantName(tenant) || !/^[a-z-]{1,32}$/.test(limit)) {
    const description = `${shown(name)} is not "tenants/{tenant}/limits/{limit}"`;
    throw new InvalidFieldsError([{ field, description }]);
  }
  if (!isLimitName(limit)) throw new CodedError("NOT_FOUND", `there is no limit "${limit}"`);
  return { tenant, limit };
}

/** A limit as callers see it. */
export function presentLimit(id: LimitId, stored: StoredRecord, used: number): Limit {
  const name = limitName(id.tenant, id.limit);
  const etag = String(stored.revision);
  const record = stored.value === null ? null : Limit.decode(stored.value);
  return {
    ...{ name, etag, used: BigInt(used) },
    value: record?.value ?? 0n,
    outagePolicy: record?.outagePolicy ?? OutagePolicy.FAIL_CLOSED,
    updateTime: record?.updateTime,
  };
}

/** The faults of an update's mask and values. */
function checkWish({ limit }: LimitId, { given, mask }: LimitWish): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const known: readonly string[] = ["*", ...settable, ...outputFields];
  for (const path of mask) {
    if (known.includes(path)) continue;
    const description = `${shown(path)} is not a field; write ${settable.join(", ")} or *`;
    violations.push({ field: "update_mask", description });
  }
  const [min, max] = [limitMin(limit), limitMax(limit)];
  if (given.value > BigInt(max)) {
    violations.push({ field: "limit.value", description: `${given.value} is more than ${max}` });
  } else if (given.value > 0n && given.value < BigInt(min)) {
    violations.push({ field: "limit.value", description: `${given.value} is less than ${min}` });
  }
  if (![0, OutagePolicy.FAIL_CLOSED, OutagePolicy.FAIL_OPEN].includes(given.outagePolicy)) {
    const description = `${given.outagePolicy} is not FAIL_CLOSED (1) or FAIL_OPEN (2)`;
    violations.push({ field: "limit.outage_policy", description });
  }
  return violations;
}

/**
 * What an update does.
 *
 * @param used how much is in use now, as {@link presentLimit} shows it.
 * @throws {CodedError} `REQUEST_INVALID`, `LIMIT_BELOW_USE`.
 */
export function decideLimitUpdate(
  id: LimitId,
  stored: StoredRecord,
  wish: LimitWish,
  used: number,
  nowMs: number,
): RecordChange {
  refuseInvalidFields(checkWish(id, wish));
  const { given, mask } = wish;
  const present = presentLimit(id, stored, used);
  const names = (field: string, isSet: boolean) =>
    mask.length === 0 ? isSet : mask.includes("*") || mask.includes(field);
  const value = names("value", given.value > 0n) ? given.value : present.value;
  const isPolicyNamed = names("outage_policy", given.outagePolicy !== 0);
  const outagePolicy = isPolicyNamed
    ? given.outagePolicy || OutagePolicy.FAIL_CLOSED
    : present.outagePolicy;
  if (value === present.value && outagePolicy === present.outagePolicy) return { kind: "none" };
  const isBelow = value > 0n && value < BigInt(used) && value !== present.value;
  if (isBelow && !wish.allowBelowUse) {
    const detail = `${present.name}: ${used} are in use, more than ${value}`;
    throw new CodedError("LIMIT_BELOW_USE", detail);
  }
  const before = stored.value === null ? undefined : describeLimit(present);
  if (value === 0n && outagePolicy === OutagePolicy.FAIL_CLOSED) return erase(stored, before);
  const record = { ...present, value, outagePolicy, etag: "", used: 0n };
  const updateTime = new Date(nowMs);
  return {
    kind: "write",
    value: Limit.encode({ ...record, updateTime }).finish(),
    before,
    after: describeLimit(record),
  };
}

/** Puts a limit back to its default. */
export function decideLimitDelete(id: LimitId, stored: StoredRecord): RecordChange {
  return erase(stored, describeLimit(presentLimit(id, stored, 0)));
}

function erase(stored: StoredRecord, before: unknown): RecordChange {
  return stored.value === null ? { kind: "none" } : { kind: "erase", before };
}

function describeLimit({ value, outagePolicy }: Limit): object {
  return {
    value,
    outagePolicy: outagePolicy === OutagePolicy.FAIL_OPEN ? "FAIL_OPEN" : "FAIL_CLOSED",
  };
}
