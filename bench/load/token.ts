/**
 * Tokens as an issuer makes them.
 */
import { sign } from "node:crypto";

/** An hour: no token ends in a run. */
const TOKEN_S = 3600;

/**
 * A token of user-`index`: tenant, two grants for rooms of a class, times, an id.
 *
 * @param privateKey Ed25519, PEM.
 */
export function makeToken(
  privateKey: string,
  index: number,
  tenant: string,
  roomClass: string,
): string {
  const nowS = Math.floor(Date.now() / 1000);
  const claims = {
    ...{ sub: `user-${index}`, tenant, iat: nowS, exp: nowS + TOKEN_S },
    jti: `${index}-0123456789abcdef`,
    grants: [
      { rooms: `${roomClass}:*`, can: ["join", "publish", "history"] },
      { rooms: `${roomClass}:user-${index}`, can: ["manage"] },
    ],
  };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const body = `${part({ alg: "EdDSA", typ: "JWT", kid: "bench" })}.${part(claims)}`;
  return `${body}.${sign(null, Buffer.from(body), privateKey).toString("base64url")}`;
}
