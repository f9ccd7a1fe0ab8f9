/**
 * The key that signed tokens are checked with, for clients and for operators alike.
 *
 * Pure.
 */
import { createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { CodedError } from "./coded-error.ts";

/** A key, and the one algorithm that it is for: a token can not choose a weaker one. */
export interface JwtKey {
  readonly key: KeyObject;
  /** "EdDSA" or "HS256". */
  readonly algorithm: string;
}

/** Clocks of issuer and verifier may differ by this, seconds. */
export const JWT_CLOCK_TOLERANCE_S = 30;
/** Bytes of a token; larger ones are no tokens. */
export const JWT_BYTES_MAX = 8192;
/** Bytes of an HS256 secret; RFC 7518 section 3.2 wants as many as the hash has. */
const secretBytesMin = 32;

/**
 * Reads a PEM public key (Ed25519: EdDSA), or a secret of 32 bytes or more (HS256).
 *
 * @param option that named the file, for the error.
 * @throws {CodedError} `OPTION_INVALID` when it is no such key.
 */
export function readJwtKey(keyText: string, option: string): JwtKey {
  if (keyText.includes("PRIVATE KEY")) {
    throw new CodedError("OPTION_INVALID", `${option} holds a private key; give the public`);
  }
  if (!keyText.includes("PUBLIC KEY")) {
    const secret = Buffer.from(keyText.trim());
    if (secret.length >= secretBytesMin)
      return { key: createSecretKey(secret), algorithm: "HS256" };
    const detail = `${option}: the secret has ${secret.length} bytes, needs ${secretBytesMin}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  try {
    const key = createPublicKey(keyText);
    if (key.asymmetricKeyType === "ed25519") return { key, algorithm: "EdDSA" };
    const found = key.asymmetricKeyType;
    throw new CodedError("OPTION_INVALID", `${option} is a ${found} key, must be ed25519`);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw new CodedError("OPTION_INVALID", `${option} is no readable PEM public key`, error);
  }
}
