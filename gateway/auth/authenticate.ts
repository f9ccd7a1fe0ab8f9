/**
 * Authentication: from a token to an identity.
 *
 * The ways are in this folder: none (here), static-tokens.ts, jwt.ts with the keys of key-source.ts
 * and remote-keys.ts. open-authenticate.ts makes the one that the options want.
 */
import { JWT_BYTES_MAX } from "../../proto/jwt-key.ts";
import { ALL_ACTIONS, type Identity, makeIdentity } from "../identity.ts";

/** Bytes of a token; a JWT with 64 grants has about 4 kB. */
export const TOKEN_BYTES_MAX = JWT_BYTES_MAX;

/**
 * Turns a token into an identity. Throws, with a sentence that holds no secret: `TOKEN_INVALID`;
 * `TOKEN_EXPIRED`, which another token mends; `UNAVAILABLE` while it can not be known.
 */
export type Authenticate = (token: string) => Identity | Promise<Identity>;

/** Everybody is the anonymous user of tenant "default" and may do all. */
export function authenticateNone(): Authenticate {
  const grants = [{ rooms: "*", actions: ALL_ACTIONS }];
  const identity = makeIdentity({ tenant: "default", user: "", grants, isAnonymous: true });
  return () => identity;
}
