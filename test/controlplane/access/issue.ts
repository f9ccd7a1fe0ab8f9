/**
 * Certificates and tokens for tests: an authority by openssl, JWTs by jose.
 */
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { SignJWT } from "jose";

/** PEM files of a certificate and its key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "pipe" });

/** An authority that signs certificates for 127.0.0.1. */
export class Authority {
  readonly #folder: string;
  readonly #name: string;
  #count = 0;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
    const files = ["-keyout", this.#file("ca.key"), "-out", this.ca];
    openssl("req", "-x509", ...newKey, "-days", "1", "-subj", `/CN=${name}`, ...files);
  }

  /** PEM file of its own certificate. */
  get ca(): string {
    return this.#file("ca.pem");
  }

  /** @param subject such as "/CN=anna/OU=operator". */
  issue(subject: string): CertificateFiles {
    this.#count += 1;
    const files = { cert: this.#file(`${this.#count}.pem`), key: this.#file(`${this.#count}.key`) };
    const signed = ["-CA", this.ca, "-CAkey", this.#file("ca.key"), "-days", "1"];
    const names = ["-addext", "subjectAltName=IP:127.0.0.1", "-subj", subject];
    const out = ["-keyout", files.key, "-out", files.cert];
    openssl("req", "-x509", ...newKey, ...signed, ...names, ...out);
    return files;
  }

  #file(name: string): string {
    return path.join(this.#folder, `${this.#name}-${name}`);
  }
}

/** An issuer of tokens with an Ed25519 key. */
export class Issuer {
  readonly #key: KeyObject;
  readonly publicKey: KeyObject;

  constructor() {
    const pair = generateKeyPairSync("ed25519");
    this.#key = pair.privateKey;
    this.publicKey = pair.publicKey;
  }

  get publicPem(): string {
    return this.publicKey.export({ type: "spki", format: "pem" }).toString();
  }

  get privatePem(): string {
    return this.#key.export({ type: "pkcs8", format: "pem" }).toString();
  }

  /** Writes the public key. */
  write(file: string): string {
    writeFileSync(file, this.publicPem);
    return file;
  }

  /** A token of these claims, good for an hour unless `exp` says otherwise. */
  token(claims: Record<string, unknown>, header: { kid?: string } = {}): Promise<string> {
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const signed = new SignJWT({ exp, ...claims });
    return signed.setProtectedHeader({ alg: "EdDSA", ...header }).sign(this.#key);
  }
}
