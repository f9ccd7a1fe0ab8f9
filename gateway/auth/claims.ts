/**
 * What an entry of the token file, or the claims of a JWT, say of an identity.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { isTenantName } from "../../proto/room-name.ts";
import {
  ACTION_NAMES,
  type Attributes,
  DEFAULT_ACTIONS,
  GRANT_COUNT_MAX,
  type Grant,
  type Identity,
  makeIdentity,
} from "../identity.ts";

/** Bytes of a user name: it is in every message. */
export const USER_BYTES_MAX = 128;
/** Bytes of a token's id: revocations name it. */
export const TOKEN_ID_BYTES_MAX = 128;
/** Attributes of one identity: flags and gates look at a few. */
export const ATTRIBUTE_COUNT_MAX = 32;
/** Bytes of the name of an attribute. */
export const ATTRIBUTE_KEY_BYTES_MAX = 64;
/** Bytes of an attribute that is text. */
export const ATTRIBUTE_BYTES_MAX = 256;

/** Which claims say what; an issuer may have its own names for them. */
export interface ClaimNames {
  readonly tenant: string;
  readonly user: string;
  readonly grants: string;
  readonly attributes: string;
}

/** As docs/auth.md has them. */
export const CLAIM_NAMES: ClaimNames = {
  tenant: "tenant",
  user: "sub",
  grants: "grants",
  attributes: "attributes",
};

/** Everything in every room; one object for all who have it. */
const everything: readonly Grant[] = [{ rooms: "*", actions: DEFAULT_ACTIONS }];

/**
 * Reads names of claims: "tenant=org_id", "user=https://example.org/user".
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function readClaimNames(entries: readonly string[]): ClaimNames {
  const names: Record<string, string> = { ...CLAIM_NAMES };
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const word = entry.slice(0, at);
    if (at < 1 || at === entry.length - 1 || !Object.hasOwn(CLAIM_NAMES, word)) {
      const words = Object.keys(CLAIM_NAMES).join(", ");
      const detail = `AUTH_JWT_CLAIMS has ${JSON.stringify(entry)}; write <word>=<claim>, word one of ${words}`;
      throw new CodedError("OPTION_INVALID", detail);
    }
    names[word] = entry.slice(at + 1);
  }
  return names as unknown as ClaimNames;
}

/**
 * The identity of a verified token.
 *
 * @param claims whose signature and times are right.
 * @throws {CodedError} `TOKEN_INVALID` naming the claim and the fault.
 */
export function identityOfClaims(
  claims: Readonly<Record<string, unknown>>,
  names: ClaimNames,
): Identity {
  const refuse = (detail: string): never => {
    throw new CodedError("TOKEN_INVALID", `the token was refused: ${detail}`);
  };
  const { exp, iat = 0, jti = "" } = claims;
  if (typeof exp !== "number" || !Number.isFinite(exp)) return refuse('"exp" must be a number');
  if (typeof iat !== "number" || !Number.isFinite(iat)) return refuse('"iat" must be a number');
  if (typeof jti !== "string" || Buffer.byteLength(jti) > TOKEN_ID_BYTES_MAX) {
    return refuse(`"jti" must be text of at most ${TOKEN_ID_BYTES_MAX} bytes`);
  }
  const user = claims[names.user];
  if (typeof user !== "string" || user === "") return refuse(`"${names.user}" names no user`);
  const entry = {
    ...{ tenant: claims[names.tenant], user },
    ...{ grants: claims[names.grants], attributes: claims[names.attributes] },
  };
  try {
    const identity = readIdentity(entry, "claims");
    return { ...identity, tokenId: jti, issuedAtS: iat, expiresAtS: exp };
  } catch (error) {
    return refuse(CodedError.from(error).detail);
  }
}

/**
 * Tenant, user, grants and attributes of an entry.
 *
 * @param where names the entry, for the error.
 * @throws {CodedError} `OPTION_INVALID` naming the place and the fault.
 */
export function readIdentity(entry: Readonly<Record<string, unknown>>, where: string): Identity {
  const tenant = entry.tenant ?? "default";
  if (typeof tenant !== "string" || !isTenantName(tenant)) {
    throw new CodedError("OPTION_INVALID", `${where}.tenant must match [a-z0-9][a-z0-9-]{0,62}`);
  }
  const user = entry.user ?? "";
  if (
    typeof user !== "string" ||
    Buffer.byteLength(user) > USER_BYTES_MAX ||
    /\p{Cc}/u.test(user)
  ) {
    const detail = `${where}.user must be printable and at most ${USER_BYTES_MAX} bytes`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  const grants = readGrants(entry.grants, where);
  if (entry.attributes === undefined) return makeIdentity({ tenant, user, grants });
  const attributes = readAttributes(entry.attributes, where);
  return makeIdentity({ tenant, user, grants, attributes });
}

function readGrants(grants: unknown, where: string): readonly Grant[] {
  if (grants === undefined) return everything;
  if (!Array.isArray(grants) || grants.length > GRANT_COUNT_MAX) {
    throw new CodedError("OPTION_INVALID", `${where}.grants must list at most ${GRANT_COUNT_MAX}`);
  }
  return grants.map((grant: { rooms?: unknown; can?: unknown } | null, index) => {
    const at = `${where}.grants[${index}]`;
    if (typeof grant?.rooms !== "string") {
      throw new CodedError("OPTION_INVALID", `${at}.rooms must be a pattern like "chat:*"`);
    }
    if (!Array.isArray(grant.can)) {
      throw new CodedError("OPTION_INVALID", `${at}.can must be a list like ["join"]`);
    }
    let actions = 0;
    for (const name of grant.can as unknown[]) {
      const action = ACTION_NAMES.get(String(name));
      if (action === undefined) {
        const known = [...ACTION_NAMES.keys()].join(", ");
        throw new CodedError("OPTION_INVALID", `${at}.can has "${name}", known are ${known}`);
      }
      actions |= action;
    }
    return { rooms: grant.rooms, actions };
  });
}

function readAttributes(given: unknown, where: string): Attributes {
  const at = `${where}.attributes`;
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new CodedError("OPTION_INVALID", `${at} must be an object`);
  }
  const entries = Object.entries(given);
  if (entries.length > ATTRIBUTE_COUNT_MAX) {
    throw new CodedError("OPTION_INVALID", `${at} has more than ${ATTRIBUTE_COUNT_MAX} entries`);
  }
  for (const [key, value] of entries) {
    const keyBytes = Buffer.byteLength(key);
    if (keyBytes === 0 || keyBytes > ATTRIBUTE_KEY_BYTES_MAX) {
      const detail = `${at} has a name that is not 1 to ${ATTRIBUTE_KEY_BYTES_MAX} bytes`;
      throw new CodedError("OPTION_INVALID", detail);
    }
    if (!isAttribute(value)) {
      const bounds = `text of at most ${ATTRIBUTE_BYTES_MAX} bytes, a number, true or false`;
      throw new CodedError("OPTION_INVALID", `${at}.${key} must be ${bounds}`);
    }
  }
  return Object.fromEntries(entries);
}

function isAttribute(value: unknown): boolean {
  if (typeof value === "string") return Buffer.byteLength(value) <= ATTRIBUTE_BYTES_MAX;
  return typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
}
