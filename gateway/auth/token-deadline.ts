/**
 * When a connection whose token ends is told, and when it is closed.
 *
 * Pure. It is closed when its token would not be taken by Hello any more: later than `exp` by what
 * clocks may differ, so that nobody is closed who could come back with the same token. It is told
 * before `exp`, each connection at a time of its own within some seconds: those whose tokens end
 * together shall not all ask their issuer at once. What a token is good by may be withdrawn: then
 * it ends at that moment.
 */
import { JWT_CLOCK_TOLERANCE_S } from "../../proto/jwt-key.ts";

/** The hint comes this long before `exp` at the latest, seconds: time to ask an issuer twice. */
export const HINT_BEFORE_S = 30;
/** The hints of tokens that end together are spread over so long before that, seconds. */
export const HINT_SPREAD_S = 30;

/** What is to be done now, or when to look again. */
export type TokenStep =
  | { readonly is: "wait"; readonly untilS: number }
  | { readonly is: "tell"; readonly untilS: number }
  | { readonly is: "close" };

/**
 * What a token's end asks for now. Once it was told, the next look is at `untilS`.
 *
 * @param expiresAtS as in the token, seconds since 1970-01-01 UTC.
 * @param number of the connection, which decides its place within the spread.
 */
export function decideTokenStep(expiresAtS: number, number: number, nowS: number): TokenStep {
  const closeAtS = expiresAtS + JWT_CLOCK_TOLERANCE_S;
  if (nowS >= closeAtS) return { is: "close" };
  const tellAtS = expiresAtS - HINT_BEFORE_S - (number % HINT_SPREAD_S);
  if (nowS < tellAtS) return { is: "wait", untilS: tellAtS };
  return { is: "tell", untilS: closeAtS };
}

/**
 * How long a token is good from now on, as frames say it: 1 or more, since 0 means for ever.
 *
 * @param expiresAtS 0: never.
 */
export function expiresInMs(expiresAtS: number, nowS: number): number {
  if (expiresAtS === 0) return 0;
  const ms = Math.floor((expiresAtS - nowS) * 1000);
  return Math.min(Math.max(ms, 1), 0xffff_ffff);
}
