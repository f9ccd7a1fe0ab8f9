/**
 * Keys of an issuer and the tokens that it signs, good ones and forged ones.
 */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";

/** A key pair of an issuer, by its `kid`. */
export interface IssuerKey {
  readonly kid: string;
  readonly algorithm: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** Makes a key for one of the algorithms of docs/auth.md. */
export function issuerKey(algorithm: string, kid = `key-${algorithm}`): IssuerKey {
  return { kid, algorithm, ...pairFor(algorithm) };
}

function pairFor(algorithm: string) {
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  const curves: Record<string, string> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
  const namedCurve = curves[algorithm];
  if (namedCurve !== undefined) return generateKeyPairSync("ec", { namedCurve });
  return generateKeyPairSync("rsa", { modulusLength: 2048 });
}

/** The public key as PEM. */
export function pemOf({ publicKey }: IssuerKey): string {
  return publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** A key set of the keys' public parts; `change` may spoil one. */
export function keySet(keys: readonly IssuerKey[], change: object = {}): string {
  const entries = keys.map(({ kid, algorithm, publicKey }) => ({
    ...publicKey.export({ format: "jwk" }),
    ...{ kid, alg: algorithm, use: "sig" },
    ...change,
  }));
  return JSON.stringify({ keys: entries });
}

/** Seconds since 1970-01-01 UTC. */
export function nowS(): number {
  return Math.floor(Date.now() / 1000);
}

/** A signed token of those claims, with `kid` in its header unless that is "". */
export function sign(
  { algorithm, privateKey, kid }: IssuerKey,
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
): Promise<string> {
  const named = kid === "" ? {} : { kid };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm, ...named, ...header })
    .sign(privateKey);
}

/** A token signed with a secret. */
export function signWithSecret(
  secret: string | Uint8Array,
  claims: Record<string, unknown>,
  algorithm = "HS256",
  header: Record<string, unknown> = {},
): Promise<string> {
  const key = typeof secret === "string" ? Buffer.from(secret) : secret;
  return new SignJWT(claims).setProtectedHeader({ alg: algorithm, ...header }).sign(key);
}

/** A token without a signature, whatever its header says. */
export function unsigned(header: object, claims: object, signature = ""): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part(header)}.${part(claims)}.${signature}`;
}
