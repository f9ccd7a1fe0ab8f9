/**
 * Tokens of operators and gateways: JWTs, checked with one key or with a set of keys.
 *
 * Loaded only where tokens are configured.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type JwtKey, readJwtKeys, readKeySet } from "../../proto/jwt-key.ts";
import { type JwtRules, verifyJwt } from "../../proto/verify-jwt.ts";

/** The claims of a token; throws `CREDENTIALS_INVALID` with a sentence that holds no secret. */
export type VerifyToken = (token: string) => Promise<Readonly<Record<string, unknown>>>;

/**
 * By PEM public keys, or a secret of 32 bytes or more.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function verifyByKey(keyText: string, rules: JwtRules): VerifyToken {
  const keys = readJwtKeys(keyText, "CONTROL_AUTH_JWT_KEY_FILE");
  return (token) => verify(token, keys, rules);
}

/**
 * By a JSON Web Key Set: the key that the token names (`kid`), or the one that fits.
 *
 * @throws {CodedError} `OPTION_INVALID` when it is none, or holds a key that can sign.
 */
export function verifyByKeySet(json: string, rules: JwtRules): VerifyToken {
  const keys = readKeySet(json, "CONTROL_AUTH_JWKS_FILE");
  return (token) => verify(token, keys, rules);
}

async function verify(
  token: string,
  keys: readonly JwtKey[],
  rules: JwtRules,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await verifyJwt(token, keys, rules, Date.now())).claims;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CodedError("CREDENTIALS_INVALID", `the token was refused: ${reason}`, error);
  }
}
