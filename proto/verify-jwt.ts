/**
 * Checks a signed token (RFC 7519) with the keys that are known.
 *
 * The one place that does, for clients' tokens and operators'. Loaded only where tokens are
 * configured: `jose` would cost each start. Of what a token's header says only `alg` and `kid` are
 * looked at, and both only choose among our keys: `jwk`, `jku` and `x5u` are never followed.
 */
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import { JWT_BYTES_MAX, JWT_CLOCK_TOLERANCE_S, type JwtKey } from "./jwt-key.ts";

/** Keys tried on one token: several fit only where neither keys nor token have a `kid`. */
const TRY_COUNT_MAX = 4;

/** Where tokens must come from, besides their signature. */
export interface JwtRules {
  /** `iss` that tokens must have, or empty for any. */
  readonly issuer: string;
  /** `aud` that tokens must have, or empty for any. */
  readonly audience: string;
}

/** What a token says; `exp` and `sub` are there. */
export type JwtClaims = JWTPayload;

/** A token that is right. */
export interface VerifiedJwt {
  readonly claims: JwtClaims;
  /** That it is signed with. */
  readonly key: JwtKey;
}

/** Why a token is refused: in a sentence that holds no secret, and as a kind. */
export class JwtRefusedError extends Error {
  /**
   * "expired": it was good once. "key unknown": it names a key that is not among ours, which may be
   * newer than they are.
   */
  readonly kind: "expired" | "key unknown" | "invalid";

  constructor(kind: JwtRefusedError["kind"], detail: string, cause?: unknown) {
    super(detail, { cause });
    this.kind = kind;
  }
}

/**
 * The claims and the key of a token whose signature, times, issuer and audience are right.
 *
 * @param nowMs since 1970-01-01 UTC; `exp` and `nbf` may be off by {@link JWT_CLOCK_TOLERANCE_S}.
 * @throws {JwtRefusedError}
 */
export async function verifyJwt(
  token: string,
  keys: readonly JwtKey[],
  rules: JwtRules,
  nowMs: number,
): Promise<VerifiedJwt> {
  if (token.length > JWT_BYTES_MAX) {
    throw new JwtRefusedError("invalid", `it has more than ${JWT_BYTES_MAX} bytes`);
  }
  let refusal: unknown;
  for (const key of candidates(token, keys)) {
    try {
      const { payload } = await jwtVerify(token, key.key, {
        algorithms: [...key.algorithms],
        clockTolerance: JWT_CLOCK_TOLERANCE_S,
        currentDate: new Date(nowMs),
        requiredClaims: ["exp", "sub"],
        ...(rules.issuer === "" ? {} : { issuer: rules.issuer }),
        ...(rules.audience === "" ? {} : { audience: rules.audience }),
      });
      return { claims: payload, key };
    } catch (error) {
      refusal = error;
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  const detail = refusal instanceof Error ? refusal.message : String(refusal);
  const kind = refusal instanceof errors.JWTExpired ? "expired" : "invalid";
  throw new JwtRefusedError(kind, detail, refusal);
}

/** The keys that a token may be signed with. */
function candidates(token: string, keys: readonly JwtKey[]): readonly JwtKey[] {
  let header: { alg?: unknown; kid?: unknown };
  try {
    header = decodeProtectedHeader(token);
  } catch (error) {
    throw new JwtRefusedError("invalid", "it is no signed JWT", error);
  }
  const { alg, kid } = header;
  const named = keys.filter(({ id }) => kid === undefined || id === "" || id === kid);
  if (named.length === 0) {
    const detail = `it is signed with a key that is not known (kid ${shown(kid)})`;
    throw new JwtRefusedError("key unknown", detail);
  }
  const fitting = named.filter(({ algorithms }) => algorithms.some((each) => each === alg));
  if (fitting.length > 0) return fitting.slice(0, TRY_COUNT_MAX);
  const detail = `no key is for its algorithm, ${shown(alg)}`;
  throw new JwtRefusedError("invalid", detail);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? "none").slice(0, 60);
}
