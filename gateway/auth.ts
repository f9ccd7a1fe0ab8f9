/**
 * Authentication: from the token of Hello to an identity.
 *
 * Three ways: none (everybody is an anonymous user of tenant "default"; loopback only), a static
 * token file, or signed JWTs by one key. `jose` is imported on the first JWT only: it would cost
 * each start.
 */
import { createHash } from "node:crypto";
import { CodedError } from "../proto/coded-error.ts";
import { JWT_CLOCK_TOLERANCE_S, readJwtKey } from "../proto/jwt-key.ts";
import { isTenantName } from "../proto/room-name.ts";
import {
  ACTION_NAMES,
  ALL_ACTIONS,
  GRANT_COUNT_MAX,
  type Grant,
  type Identity,
  makeIdentity,
} from "./identity.ts";

/** Bytes of a token; a JWT with 64 grants has about 4 kB. */
export const TOKEN_BYTES_MAX = 8192;
/** Bytes of a user name: it is in every message. */
export const USER_BYTES_MAX = 128;

/** Turns a token into an identity. Throws `TOKEN_INVALID` with a sentence that holds no secret. */
export type Authenticate = (token: string) => Identity | Promise<Identity>;

/** Everybody is the anonymous user of tenant "default" and may do all. */
export function authenticateNone(): Authenticate {
  const identity = makeIdentity({
    tenant: "default",
    user: "",
    grants: [{ rooms: "*", actions: ALL_ACTIONS }],
    isAnonymous: true,
  });
  return () => identity;
}

/**
 * Tokens listed in a file: `{"tokens": [{"token", "tenant", "user", "grants": [{"rooms",
 * "can"}]}]}`.
 *
 * `tenant` defaults to "default", `grants` to everything. Tokens are kept and compared as hashes,
 * so a lookup's time tells nothing about them.
 *
 * @param json text of the file.
 * @throws {CodedError} `OPTION_INVALID` naming the entry and the fault.
 */
export function authenticateStatic(json: string): Authenticate {
  const identities = new Map<string, Identity>();
  for (const [index, entry] of readTokenEntries(json).entries()) {
    const where = `tokens[${index}]`;
    if (typeof entry.token !== "string" || entry.token.length < 16) {
      throw new CodedError("OPTION_INVALID", `${where}.token must be a string of 16 or more`);
    }
    const hash = hashToken(entry.token);
    if (identities.has(hash)) {
      throw new CodedError("OPTION_INVALID", `${where}.token stands in an earlier entry too`);
    }
    identities.set(hash, readIdentity(entry, where));
  }
  return (token) => {
    const identity = identities.get(hashToken(token));
    if (identity === undefined) throw new CodedError("TOKEN_INVALID", "the token is not known");
    return identity;
  };
}

/** Where JWTs must come from, besides their signature. */
export interface JwtRules {
  /** `iss` that tokens must have, or empty for any. */
  readonly issuer: string;
  /** `aud` that tokens must have, or empty for any. */
  readonly audience: string;
}

/**
 * JWTs signed by one key: a PEM public key (Ed25519: EdDSA), or a secret of 32 bytes or more
 * (HS256). The key alone decides the algorithm, so a token can not choose it. `exp` is required;
 * `sub` is the user, `tenant` the tenant (default "default"), `grants` as in the token file
 * (default everything).
 *
 * @param keyText text of the key file.
 * @throws {CodedError} `OPTION_INVALID` when it is no such key.
 */
export function authenticateJwt(keyText: string, rules: JwtRules): Authenticate {
  const { key, algorithm } = readJwtKey(keyText, "AUTH_JWT_KEY_FILE");
  return async (token) => {
    const { jwtVerify } = await import("jose");
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [algorithm],
        clockTolerance: JWT_CLOCK_TOLERANCE_S,
        requiredClaims: ["exp", "sub"],
        ...(rules.issuer === "" ? {} : { issuer: rules.issuer }),
        ...(rules.audience === "" ? {} : { audience: rules.audience }),
      });
      const { exp = 0, iat = 0, jti = "" } = payload;
      const times = { tokenId: jti, issuedAtS: iat, expiresAtS: exp };
      return { ...readIdentity({ ...payload, user: payload.sub }, "claims"), ...times };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new CodedError("TOKEN_INVALID", `the token was refused: ${reason}`, error);
    }
  };
}

function readTokenEntries(json: string): Record<string, unknown>[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    throw new CodedError("OPTION_INVALID", "AUTH_TOKENS_FILE is not JSON", error);
  }
  const tokens = (parsed as { tokens?: unknown } | null)?.tokens;
  if (!Array.isArray(tokens) || tokens.some((entry) => typeof entry !== "object" || !entry)) {
    throw new CodedError("OPTION_INVALID", 'AUTH_TOKENS_FILE needs {"tokens": [{…}, …]}');
  }
  return tokens as Record<string, unknown>[];
}

function readIdentity(entry: Record<string, unknown>, where: string): Identity {
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
  return makeIdentity({ tenant, user, grants: readGrants(entry.grants, where) });
}

function readGrants(grants: unknown, where: string): Grant[] {
  if (grants === undefined) return [{ rooms: "*", actions: ALL_ACTIONS }];
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

function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("base64");
}
