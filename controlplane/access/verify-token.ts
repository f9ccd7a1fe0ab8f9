/**
 * Tokens of operators and gateways: JWTs, checked with one key or with a set of keys.
 *
 * Loaded only where tokens are configured: `jose` would cost each start.
 */
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { CodedError } from "../../proto/coded-error.ts";
import { JWT_BYTES_MAX, JWT_CLOCK_TOLERANCE_S, readJwtKey } from "../../proto/jwt-key.ts";

/** Algorithms of a key set: public keys only, so that whoever can check can not sign. */
const publicAlgorithms = [
  ...["EdDSA", "Ed25519", "ES256", "ES384", "ES512"],
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
];
/** Keys of a set. */
const KEY_COUNT_MAX = 64;

/** Where tokens must come from, besides their signature. Empty: any. */
export interface TokenRules {
  readonly issuer: string;
  readonly audience: string;
}

/** The claims of a token; throws `CREDENTIALS_INVALID` with a sentence that holds no secret. */
export type VerifyToken = (token: string) => Promise<Readonly<Record<string, unknown>>>;

/**
 * By one key: a PEM public key (Ed25519), or a secret of 32 bytes or more.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function verifyByKey(keyText: string, rules: TokenRules): VerifyToken {
  const { key, algorithm } = readJwtKey(keyText, "CONTROL_AUTH_JWT_KEY_FILE");
  return (token) => verify(token, rules, [algorithm], (options) => jwtVerify(token, key, options));
}

/**
 * By a JSON Web Key Set: the key that the token names (`kid`), or the only one that fits.
 *
 * @throws {CodedError} `OPTION_INVALID` when it is none, or holds a key that can sign.
 */
export function verifyByKeySet(json: string, rules: TokenRules): VerifyToken {
  const keys = createLocalJWKSet(readKeySet(json));
  return (token) =>
    verify(token, rules, publicAlgorithms, (options) => jwtVerify(token, keys, options));
}

type Options = NonNullable<Parameters<typeof jwtVerify>[2]>;

async function verify(
  token: string,
  { issuer, audience }: TokenRules,
  algorithms: string[],
  check: (options: Options) => Promise<{ payload: Readonly<Record<string, unknown>> }>,
): Promise<Readonly<Record<string, unknown>>> {
  if (token.length > JWT_BYTES_MAX) {
    throw new CodedError("CREDENTIALS_INVALID", `a token has at most ${JWT_BYTES_MAX} bytes`);
  }
  try {
    const { payload } = await check({
      algorithms,
      clockTolerance: JWT_CLOCK_TOLERANCE_S,
      requiredClaims: ["exp", "sub"],
      ...(issuer === "" ? {} : { issuer }),
      ...(audience === "" ? {} : { audience }),
    });
    return payload;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CodedError("CREDENTIALS_INVALID", `the token was refused: ${reason}`, error);
  }
}

function readKeySet(json: string): JSONWebKeySet {
  const refuse = (why: string, cause?: unknown): never => {
    throw new CodedError("OPTION_INVALID", `CONTROL_AUTH_JWKS_FILE ${why}`, cause);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    refuse("is not JSON", error);
  }
  const keys = (parsed as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > KEY_COUNT_MAX) {
    return refuse(`must hold {"keys": […]} with 1 to ${KEY_COUNT_MAX} keys`);
  }
  for (const [i, key] of keys.entries()) {
    if (typeof key !== "object" || key === null || typeof key.kty !== "string") {
      refuse(`keys[${i}] is no key`);
    }
    if ("d" in key) refuse(`keys[${i}] is a private key; give the public one`);
    if (key.kty === "oct") refuse(`keys[${i}] is a secret; use CONTROL_AUTH_JWT_KEY_FILE for one`);
  }
  return { keys };
}
