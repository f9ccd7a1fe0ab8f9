/**
 * The keys that signed tokens are checked with, for clients and for operators alike: a secret, PEM
 * public keys, or a JSON Web Key Set (RFC 7517).
 *
 * Pure. A key alone says which algorithms it is for, so that a token can not choose another: a
 * public key never checks an HMAC.
 */
import {
  createHash,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import { CodedError } from "./coded-error.ts";

/** A key, and what it may be used for. */
export interface JwtKey {
  readonly key: KeyObject;
  /** Its `kid`; empty: it fits tokens that name any key, or none. */
  readonly id: string;
  /** Names as in RFC 7518 and 8037, at least one: "EdDSA", "ES256", "RS256", "HS256". */
  readonly algorithms: readonly string[];
  /** 22 characters that tell it from any other key, and tell nothing of a secret. */
  readonly print: string;
}

/** Clocks of issuer and verifier may differ by this, seconds: a minute is seen in practice. */
export const JWT_CLOCK_TOLERANCE_S = 60;
/** Bytes of a token; larger ones are no tokens. */
export const JWT_BYTES_MAX = 8192;
/** Keys of a file or a set; an issuer has two or three. */
export const KEY_COUNT_MAX = 64;
/** Bytes of an HMAC secret; RFC 7518 section 3.2 wants as many as the hash has. */
const secretBytes = { HS256: 32, HS384: 48, HS512: 64 };
/** Of a key's print: 132 bits of a SHA-256. */
const PRINT_CHARS = 22;
/** RFC 7518 section 3.3. */
const rsaBitsMin = 2048;

const rsaAlgorithms = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const curveAlgorithms: Readonly<Record<string, string>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

/**
 * Reads PEM public keys or certificates, 1 to {@link KEY_COUNT_MAX} (Ed25519, EC P-256, P-384 or
 * P-521, RSA of 2048 bits or more), or else a secret of 32 bytes or more.
 *
 * @param option that named the file, for the error.
 * @throws {CodedError} `OPTION_INVALID` when it is no such key.
 */
export function readJwtKeys(text: string, option: string): JwtKey[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new CodedError("OPTION_INVALID", `${option} ${why}`, cause);
  };
  if (text.includes("PRIVATE KEY")) refuse("holds a private key; give the public");
  if (!text.includes("-----BEGIN ")) return [readSecret(text, option)];
  const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g) ?? [];
  if (blocks.length === 0) refuse("is no readable PEM public key");
  if (blocks.length > KEY_COUNT_MAX) refuse(`holds more than ${KEY_COUNT_MAX} keys`);
  return blocks.map((block) => {
    const key = readBlock(block, option);
    const algorithms = algorithmsOf(key);
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
    const bits = details?.modulusLength === undefined ? "" : ` of ${details.modulusLength} bits`;
    if (algorithms.length > 0) return { key, id: "", algorithms, print: printOf(key) };
    const wanted = `ed25519, an EC key of P-256, P-384 or P-521, or RSA from ${rsaBitsMin} bits`;
    return refuse(`is a ${type} key${bits}, must be ${wanted}`);
  });
}

function readBlock(block: string, option: string): KeyObject {
  try {
    return createPublicKey(block);
  } catch (error) {
    throw new CodedError("OPTION_INVALID", `${option} is no readable PEM public key`, error);
  }
}

function readSecret(text: string, option: string): JwtKey {
  const secret = Buffer.from(text.trim());
  if (secret.length < secretBytes.HS256) {
    const detail = `the secret has ${secret.length} bytes, needs ${secretBytes.HS256}`;
    throw new CodedError("OPTION_INVALID", `${option}: ${detail}`);
  }
  const algorithms = Object.entries(secretBytes)
    .filter(([, bytes]) => secret.length >= bytes)
    .map(([name]) => name);
  const key = createSecretKey(secret);
  return { key, id: "", algorithms, print: printOf(key) };
}

/**
 * Reads a JSON Web Key Set of public keys. Keys that this version can not use are left out, as RFC
 * 7517 section 5 wants; private keys and secrets are refused, so that whoever can check can not
 * sign.
 *
 * @param what names the set, for the error: an option or a URL.
 * @throws {CodedError} `OPTION_INVALID` when it is none, or none of its keys can be used.
 */
export function readKeySet(json: string, what: string): JwtKey[] {
  const refuse = (why: string, cause?: unknown): never => {
    throw new CodedError("OPTION_INVALID", `${what} ${why}`, cause);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    refuse("is not JSON", error);
  }
  const entries = (parsed as { keys?: unknown } | null)?.keys;
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > KEY_COUNT_MAX) {
    return refuse(`must hold {"keys": […]} with 1 to ${KEY_COUNT_MAX} keys`);
  }
  for (const [i, entry] of entries.entries()) {
    if (typeof entry !== "object" || entry === null || typeof entry.kty !== "string") {
      refuse(`keys[${i}] is no key`);
    }
    if ("d" in entry) refuse(`keys[${i}] is a private key; give the public one`);
    if (entry.kty === "oct") refuse(`keys[${i}] is a secret; a set holds public keys`);
  }
  const keys = (entries as JsonWebKey[]).flatMap(readEntry);
  if (keys.length === 0) refuse("holds no key that can be used for signatures");
  return keys;
}

/** One key of a set; none when it is for something else. */
function readEntry(entry: JsonWebKey): JwtKey[] {
  const { kid, alg, use, key_ops: uses } = entry;
  if (use !== undefined && use !== "sig") return [];
  if (Array.isArray(uses) && !uses.includes("verify")) return [];
  let key: KeyObject;
  try {
    key = createPublicKey({ key: entry, format: "jwk" });
  } catch {
    return []; // of a kind that this version does not know
  }
  const algorithms = algorithmsOf(key).filter((each) => alg === undefined || alg === each);
  const id = typeof kid === "string" ? kid : "";
  return algorithms.length === 0 ? [] : [{ key, id, algorithms, print: printOf(key) }];
}

function printOf(key: KeyObject): string {
  const bytes = key.type === "secret" ? key.export() : key.export({ type: "spki", format: "der" });
  return createHash("sha256").update(bytes).digest("base64url").slice(0, PRINT_CHARS);
}

/** What a public key may check; empty for a kind that is not used, or too weak. */
function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): readonly string[] {
  if (asymmetricKeyType === "ed25519") return ["EdDSA", "Ed25519"];
  if (asymmetricKeyType === "ec") {
    const algorithm = curveAlgorithms[asymmetricKeyDetails?.namedCurve ?? ""];
    return algorithm === undefined ? [] : [algorithm];
  }
  const bits = asymmetricKeyDetails?.modulusLength ?? 0;
  return asymmetricKeyType === "rsa" && bits >= rsaBitsMin ? rsaAlgorithms : [];
}
