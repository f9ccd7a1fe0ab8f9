/**
 * Revocations: what a request means for the stored record, and what callers see.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { Revocation } from "../../proto/gen/tidegate/control/v1/revocation.ts";
import {
  REVOCATION_DEFAULT_S,
  REVOCATION_MAX_S,
  REVOKED_WORD_BYTES_MAX,
  revocationName,
} from "../../proto/revocation.ts";
import { isTenantName } from "../../proto/room-name.ts";
import type { RecordChange, StoredRecord } from "../control-store.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "../invalid-fields.ts";

/** Revocations of a tenant at once: gateways hold all of them, some 100 bytes each. */
export const REVOCATION_COUNT_MAX = 10_000;
/** Bytes of a reason. */
const REASON_BYTES_MAX = 256;

/** A revocation of a tenant. */
export interface RevocationId {
  readonly tenant: string;
  readonly id: string;
}

/**
 * The parts of a "tenants/{tenant}/revocations/{revocation}".
 *
 * @param field the request's field, named in the error.
 * @throws {CodedError} `REQUEST_INVALID`.
 */
export function parseRevocationName(name: string, field: string): RevocationId {
  const [tenants, tenant = "", revocations, id = "", ...rest] = name.split("/");
  const isShaped = tenants === "tenants" && revocations === "revocations" && rest.length === 0;
  if (isShaped && isTenantName(tenant) && isRevocationId(id)) return { tenant, id };
  const description = `${shown(name)} is not "tenants/{tenant}/revocations/{revocation}"`;
  throw new InvalidFieldsError([{ field, description }]);
}

/** Whether a revocation may be named so. */
export function isRevocationId(id: string): boolean {
  return /^[a-z0-9-]{1,63}$/.test(id);
}

/** A revocation as callers see it; null when there is none, or it has ended. */
export function presentRevocation(
  { tenant, id }: RevocationId,
  { value, revision }: StoredRecord,
  nowMs: number,
): Revocation | null {
  if (value === null) return null;
  const record = Revocation.decode(value);
  if ((record.expireTime?.getTime() ?? 0) <= nowMs) return null;
  return { ...record, name: revocationName(tenant, id), etag: String(revision) };
}

/**
 * What a creation does.
 *
 * @param count of the tenant's revocations now.
 * @throws {CodedError} `REQUEST_INVALID`, `ALREADY_EXISTS`, `REVOCATION_LIMIT`.
 */
export function decideRevocation(
  which: RevocationId,
  stored: StoredRecord,
  given: Revocation,
  count: number,
  nowMs: number,
): RecordChange {
  const name = revocationName(which.tenant, which.id);
  refuseInvalidFields(checkRevocation(given, name, nowMs));
  if (presentRevocation(which, stored, nowMs) !== null) {
    throw new CodedError("ALREADY_EXISTS", `${name} exists; delete it first`);
  }
  if (count >= REVOCATION_COUNT_MAX) {
    const detail = `tenants/${which.tenant} has ${count} revocations, the maximum`;
    throw new CodedError("REVOCATION_LIMIT", detail);
  }
  const { tokenId, user, reason } = given;
  const endMs = given.expireTime?.getTime() ?? nowMs + REVOCATION_DEFAULT_S * 1000;
  // In whole seconds, as tokens say it: those of this very second are revoked too.
  const wantedMs = given.issuedBefore?.getTime() ?? (tokenId === "" ? nowMs + 1 : 0);
  const issuedBefore = wantedMs === 0 ? undefined : new Date(Math.ceil(wantedMs / 1000) * 1000);
  const record: Revocation = {
    ...{ name: "", tokenId, user, issuedBefore, reason, etag: "" },
    ...{ expireTime: new Date(endMs), createTime: new Date(nowMs) },
  };
  return {
    kind: "write",
    value: Revocation.encode(record).finish(),
    ttlMs: Math.max(endMs - nowMs, 1000),
    before: undefined,
    after: describeRevocation(record),
  };
}

/** What a deletion does. @throws {CodedError} `NOT_FOUND`. */
export function decideRevocationDelete(
  which: RevocationId,
  stored: StoredRecord,
  nowMs: number,
): RecordChange {
  const present = presentRevocation(which, stored, nowMs);
  if (present === null) throw noRevocation(which);
  return { kind: "erase", before: describeRevocation(present) };
}

/** That there is no such revocation. */
export function noRevocation({ tenant, id }: RevocationId): CodedError {
  return new CodedError("NOT_FOUND", `there is no ${revocationName(tenant, id)}, or it has ended`);
}

/** The faults of what is given. */
function checkRevocation(given: Revocation, name: string, nowMs: number): FieldViolation[] {
  const violations: FieldViolation[] = [];
  const refuse = (field: string, description: string) =>
    violations.push({ field: `revocation.${field}`, description });
  const { tokenId, user, reason, issuedBefore, expireTime } = given;
  if (given.name !== "" && given.name !== name) refuse("name", `is not ${name}; leave it out`);
  if (tokenId === "" && user === "" && issuedBefore === undefined) {
    refuse("token_id", "none of token_id, user and issued_before is given; say what is revoked");
  }
  for (const [field, text] of [["token_id", tokenId] as const, ["user", user] as const]) {
    if (Buffer.byteLength(text) > REVOKED_WORD_BYTES_MAX) {
      refuse(field, `has more than ${REVOKED_WORD_BYTES_MAX} bytes`);
    }
  }
  if (Buffer.byteLength(reason) > REASON_BYTES_MAX || /\p{Cc}/u.test(reason)) {
    refuse("reason", `is not printable text of at most ${REASON_BYTES_MAX} bytes`);
  }
  const endMs = expireTime?.getTime() ?? nowMs + 1000;
  if (!(endMs > nowMs && endMs <= nowMs + REVOCATION_MAX_S * 1000)) {
    const text = expireTime?.toISOString();
    refuse("expire_time", `${text} is not within ${REVOCATION_MAX_S / 86_400} days from now`);
  }
  const beforeMs = issuedBefore?.getTime() ?? 1;
  if (!(beforeMs > 0 && beforeMs <= nowMs + REVOCATION_MAX_S * 1000)) {
    refuse("issued_before", `${issuedBefore?.toISOString()} is not a time up to a year from now`);
  }
  return violations;
}

function describeRevocation({ tokenId, user, issuedBefore, expireTime, reason }: Revocation) {
  return {
    ...{ tokenId, user, reason },
    issuedBefore: issuedBefore?.toISOString(),
    expireTime: expireTime?.toISOString(),
  };
}
