/**
 * Follows the certificate's files: when they change, new connections get the new one.
 *
 * Looked at by time, because what renews certificates writes, renames or swaps links, and not
 * every file system tells. What can not be served is logged once and shown in /health, and the one
 * before goes on.
 */
import { readFileSync, statSync } from "node:fs";
import { CodedError } from "../../proto/coded-error.ts";
import type { Log } from "../log.ts";
import { type CertificateFacts, type CertificateFiles, judgeCertificate } from "./certificate.ts";
import type { ClientApps } from "./client-apps.ts";

/** How often the files are looked at, ms: two stats; renewals come weeks before the end. */
export const LOOK_EVERY_MS = 2000;

/** What /health says of the certificate. */
export interface CertificateStatus {
  /** Its last moment, Unix ms. */
  readonly notAfterMs: number;
  /** SHA-256 in hex. */
  readonly fingerprint: string;
  /** New certificates since the start. */
  readonly reloadCount: number;
  /** Certificates that open connections were made with. */
  readonly generationCount: number;
  /** Why the files as they are now are not served; empty when they are. */
  readonly trouble: string;
}

export class CertificateWatch {
  readonly #files: CertificateFiles;
  readonly #apps: ClientApps;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #facts: CertificateFacts;
  #seen: string;
  #reloadCount = 0;
  #trouble = "";

  /** @param facts of the certificate that `apps` serves now. */
  constructor(files: CertificateFiles, facts: CertificateFacts, apps: ClientApps, log: Log) {
    this.#files = files;
    this.#apps = apps;
    this.#log = log;
    this.#facts = facts;
    this.#seen = look(files);
    this.#timer = setInterval(() => this.#follow(), LOOK_EVERY_MS).unref();
  }

  get status(): CertificateStatus {
    const { generationCount } = this.#apps;
    const own = { reloadCount: this.#reloadCount, trouble: this.#trouble };
    return { ...this.#facts, ...own, generationCount };
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #follow(): void {
    const nowMs = performance.now();
    this.#apps.retire(nowMs);
    const seen = look(this.#files);
    if (seen === this.#seen) return;
    this.#seen = seen; // also when it fails: it is tried again when they change again
    try {
      const facts = readCertificate(this.#files);
      this.#apps.replace(this.#files, nowMs);
      this.#facts = facts;
      this.#reloadCount += 1;
      this.#trouble = "";
      const notAfter = new Date(facts.notAfterMs).toISOString();
      this.#log.info({ fingerprint: facts.fingerprint, notAfter }, "a new certificate is served");
    } catch (error) {
      const { code, detail } = CodedError.from(error);
      this.#trouble = code === "INTERNAL" ? "TLS_CERT_FILE and TLS_KEY_FILE are no pair" : detail;
      this.#log.error({ detail: this.#trouble }, "the certificate before is served on");
    }
  }
}

/**
 * Reads and judges the pair.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function readCertificate({ certFile, keyFile }: CertificateFiles): CertificateFacts {
  return judgeCertificate(
    readPem("TLS_CERT_FILE", certFile),
    readPem("TLS_KEY_FILE", keyFile),
    Date.now(),
  );
}

function readPem(name: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CodedError("OPTION_INVALID", `${name} "${file}" can not be read`, error);
  }
}

/** What changes when one of the files does. */
function look({ certFile, keyFile }: CertificateFiles): string {
  return [certFile, keyFile].map(lookAt).join(" ");
}

function lookAt(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${mtimeMs}:${size}:${ino}`;
  } catch {
    return "none"; // being replaced, or gone: the next look sees it
  }
}
