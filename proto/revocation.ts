/**
 * Revocations as gateways and control plane read them: the bus record, and whom it is for.
 *
 * Pure. A revocation is one key of the bus KV bucket "control", which ends with it.
 */
import { Revocation } from "./gen/tidegate/control/v1/revocation.ts";

/** KV keys of revocations in the bucket "control" begin so. */
export const REVOCATION_PREFIX = "revocation.";
/** Bytes of a token's id and of a user's name. */
export const REVOKED_WORD_BYTES_MAX = 128;
/** How long one is in force unless it says otherwise: longer than tokens should live, s. */
export const REVOCATION_DEFAULT_S = 30 * 24 * 3600;
/** How long at most, s: tokens that live longer want another key. */
export const REVOCATION_MAX_S = 366 * 24 * 3600;

/** Which tokens of a tenant are revoked: those that meet every condition. */
export interface RevocationRule {
  /** Empty: any. */
  readonly tokenId: string;
  /** Empty: any. */
  readonly user: string;
  /** Seconds since 1970-01-01 UTC; 0: whenever they were issued. */
  readonly issuedBeforeS: number;
  /** When it ends, ms since 1970-01-01 UTC. */
  readonly endMs: number;
}

/** What a token says of itself, as far as it can be revoked by it. */
export interface RevocableToken {
  readonly tokenId: string;
  readonly user: string;
  /** Seconds since 1970-01-01 UTC; 0: not said. */
  readonly issuedAtS: number;
}

/** KV key; no part of it can hold a dot. */
export function revocationKey(tenant: string, id: string): string {
  return `${REVOCATION_PREFIX}${tenant}.${id}`;
}

/** Resource name. */
export function revocationName(tenant: string, id: string): string {
  return `tenants/${tenant}/revocations/${id}`;
}

/**
 * What a record says; null when it says nothing that can be followed.
 *
 * @throws {Error} when it does not decode.
 */
export function readRevocation(value: Uint8Array): RevocationRule | null {
  const { tokenId, user, issuedBefore, expireTime } = Revocation.decode(value);
  const issuedBeforeS = Math.ceil((issuedBefore?.getTime() ?? 0) / 1000);
  const isFor = tokenId !== "" || user !== "" || issuedBeforeS > 0;
  if (!isFor || expireTime === undefined) return null;
  return { tokenId, user, issuedBeforeS, endMs: expireTime.getTime() };
}

/** Whether a rule is for a token, of the same tenant. */
export function isRevokedBy(rule: RevocationRule, token: RevocableToken, nowMs: number): boolean {
  if (nowMs >= rule.endMs) return false;
  if (rule.tokenId !== "" && rule.tokenId !== token.tokenId) return false;
  if (rule.user !== "" && rule.user !== token.user) return false;
  return rule.issuedBeforeS === 0 || token.issuedAtS < rule.issuedBeforeS;
}
