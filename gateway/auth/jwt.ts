/**
 * JSON Web Tokens of clients: signature, times and claims become an identity.
 *
 * `exp` and the user's claim are required. `jose` is imported with the first token.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { JwtRules, VerifiedJwt } from "../../proto/verify-jwt.ts";
import type { Clock } from "../clock.ts";
import type { Authenticate } from "./authenticate.ts";
import { type ClaimNames, identityOfClaims } from "./claims.ts";
import type { KeySource } from "./key-source.ts";

/** What tokens are held to. */
export interface JwtAuthRules extends JwtRules {
  readonly claims: ClaimNames;
}

/** Tokens that are signed with one of the source's keys. */
export function authenticateJwt(
  source: KeySource,
  rules: JwtAuthRules,
  clock: Clock,
): Authenticate {
  let loaded: typeof import("../../proto/verify-jwt.ts") | null = null;
  return async (token) => {
    loaded ??= await import("../../proto/verify-jwt.ts");
    const { verifyJwt, JwtRefusedError } = loaded;
    const verify = () => verifyJwt(token, source.keys(), rules, clock.nowUs() / 1000);
    const isKeyUnknown = (error: unknown) =>
      error instanceof JwtRefusedError && error.kind === "key unknown";
    let verified: VerifiedJwt;
    try {
      verified = await verify().catch(async (error: unknown) => {
        if (!isKeyUnknown(error)) throw error;
        const isNewest = await source.renew();
        return verify().catch((again: unknown) => {
          if (isNewest || !isKeyUnknown(again)) throw again;
          const detail = "the token's key is not known, and the issuer can not be asked now";
          throw new CodedError("UNAVAILABLE", detail, again);
        });
      });
    } catch (error) {
      if (!(error instanceof JwtRefusedError)) throw error;
      const code = error.kind === "expired" ? "TOKEN_EXPIRED" : "TOKEN_INVALID";
      throw new CodedError(code, `the token was refused: ${error.message}`, error);
    }
    const identity = identityOfClaims(verified.claims, rules.claims);
    return { ...identity, anchor: verified.key.print };
  };
}
