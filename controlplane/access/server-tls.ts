/**
 * TLS of the control plane's port: certificate, key, and the authority of client certificates, all
 * read again when they change.
 *
 * Client certificates are asked for and not insisted on: who shows none, or a bad one, gets an
 * answer that says so (CREDENTIALS_INVALID), is audited, and can still be asked for health.
 */
import { createSecureContext } from "node:tls";
import { experimental, type ServerCredentials } from "@grpc/grpc-js";
import { CodedError } from "../../proto/coded-error.ts";
import { FreshFiles } from "../../proto/fresh-files.ts";
import type { Log } from "../log.ts";

/** PEM files. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Authority of client certificates; empty: none are asked for. */
  readonly caFile: string;
}

/** Credentials for Server.bindAsync; `stop` ends the looking at files. */
export interface ServerTls {
  readonly credentials: ServerCredentials;
  /** Looks at the files now. */
  refresh(): void;
  stop(): void;
}

interface Pems {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly ca: Buffer;
}

/**
 * Reads the files.
 *
 * @throws {CodedError} `OPTION_INVALID` when one can not be read or they do not belong together.
 */
export function openServerTls(files: TlsFiles, log: Log): ServerTls {
  const paths = [files.certFile, files.keyFile, ...(files.caFile === "" ? [] : [files.caFile])];
  const fresh = new FreshFiles<Pems>(
    paths,
    ([cert = "", key = "", ca = ""]) => {
      const pems = { cert: Buffer.from(cert), key: Buffer.from(key), ca: Buffer.from(ca) };
      check(pems, files);
      return pems;
    },
    log,
  );
  const provider = new Provider(fresh);
  const authority = files.caFile === "" ? null : provider;
  return {
    // The certificate's provider comes first, whatever the parameters are called.
    credentials: experimental.createCertificateProviderServerCredentials(
      provider,
      authority,
      false,
    ),
    refresh: () => fresh.refresh(),
    stop: () => fresh.stop(),
  };
}

function check({ cert, key, ca }: Pems, files: TlsFiles): void {
  try {
    createSecureContext({ cert, key, ...(files.caFile === "" ? {} : { ca }) });
    if (files.caFile !== "" && !ca.includes("-----BEGIN")) throw new Error("no certificate in it");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const names = "CONTROL_TLS_CERT_FILE, CONTROL_TLS_KEY_FILE or CONTROL_TLS_CA_FILE";
    throw new CodedError("OPTION_INVALID", `${names} can not be used: ${reason}`, error);
  }
}

type AuthorityListener = Parameters<
  experimental.CertificateProvider["addCaCertificateListener"]
>[0];
type IdentityListener = Parameters<
  experimental.CertificateProvider["addIdentityCertificateListener"]
>[0];

/** Hands the files' present content to grpc-js. */
class Provider implements experimental.CertificateProvider {
  readonly #fresh: FreshFiles<Pems>;
  readonly #authorities = new Set<AuthorityListener>();
  readonly #identities = new Set<IdentityListener>();

  constructor(fresh: FreshFiles<Pems>) {
    this.#fresh = fresh;
    fresh.follow(() => {
      for (const listener of this.#authorities) this.#tellAuthority(listener);
      for (const listener of this.#identities) this.#tellIdentity(listener);
    });
  }

  addCaCertificateListener(listener: AuthorityListener): void {
    this.#authorities.add(listener);
    // Not inside the call: the server that adds it would not hear it.
    queueMicrotask(() => this.#tellAuthority(listener));
  }

  removeCaCertificateListener(listener: AuthorityListener): void {
    this.#authorities.delete(listener);
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identities.add(listener);
    queueMicrotask(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identities.delete(listener);
  }

  #tellAuthority(listener: AuthorityListener): void {
    listener({ caCertificate: this.#fresh.value.ca });
  }

  #tellIdentity(listener: IdentityListener): void {
    const { cert, key } = this.#fresh.value;
    listener({ certificate: cert, privateKey: key });
  }
}
