/**
 * Whether a certificate and its key can be served: said in a sentence before uWebSockets.js, which
 * only says that it failed, gets them.
 *
 * Pure.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { CodedError } from "../../proto/coded-error.ts";

/** Where a certificate is. */
export interface CertificateFiles {
  /** PEM: the certificate, then those it was signed with. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
}

/** What is known of a certificate that is served. */
export interface CertificateFacts {
  /** Its last moment, Unix ms. */
  readonly notAfterMs: number;
  /** SHA-256 in hex, to compare with what clients see. */
  readonly fingerprint: string;
}

/**
 * Judges a pair.
 *
 * @param nowMs Unix ms.
 * @throws {CodedError} `OPTION_INVALID` naming the option and what is wrong.
 */
export function judgeCertificate(certPem: string, keyPem: string, nowMs: number): CertificateFacts {
  const certificate = parse("TLS_CERT_FILE", "PEM certificate", () => new X509Certificate(certPem));
  const key: KeyObject = parse("TLS_KEY_FILE", "PEM private key without a passphrase", () =>
    createPrivateKey(keyPem),
  );
  if (!certificate.checkPrivateKey(key)) {
    throw new CodedError("OPTION_INVALID", "TLS_KEY_FILE is not the key of TLS_CERT_FILE");
  }
  const notAfterMs = Date.parse(certificate.validTo);
  if (nowMs > notAfterMs) {
    const detail = `the certificate of TLS_CERT_FILE ended on ${certificate.validTo}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  return { notAfterMs, fingerprint: certificate.fingerprint256.replaceAll(":", "").toLowerCase() };
}

/** The cause stays out of it: it may quote the key. */
function parse<T>(name: string, what: string, read: () => T): T {
  try {
    return read();
  } catch {
    // Without the cause: see above.
    throw new CodedError("OPTION_INVALID", `${name} holds no ${what}`);
  }
}
