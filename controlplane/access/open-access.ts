/**
 * Access control as the options want it: who may come in, and how the port speaks.
 */
import { ServerCredentials } from "@grpc/grpc-js";
import { FreshFiles } from "../../proto/fresh-files.ts";
import { isLoopback } from "../../proto/loopback.ts";
import type { Log } from "../log.ts";
import { type ControlPlaneOptions, hasAccessControl } from "../options.ts";
import { type Access, OPEN_ACCESS } from "./access.ts";
import { CredentialAccess } from "./credential-access.ts";
import { openServerTls, type ServerTls } from "./server-tls.ts";
import type { VerifyToken } from "./verify-token.ts";

/** What the control plane's server is made with. */
export interface OpenedAccess {
  readonly access: Access;
  /** For Server.bindAsync. */
  readonly credentials: ServerCredentials;
  /** For the gateway of this process; empty without access control, or without one. */
  readonly ownToken: string;
  /** Looks at key and certificate files now. */
  refresh(): void;
  stop(): void;
}

/**
 * Reads keys and certificates, and says what an operator should know of how open the port is.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export async function openAccess(options: ControlPlaneOptions, log: Log): Promise<OpenedAccess> {
  const { tlsCertFile: certFile, tlsKeyFile: keyFile, tlsCaFile: caFile, host } = options;
  const isOn = hasAccessControl(options);
  const keys = await openKeys(options, log);
  let tls: ServerTls | null = null;
  try {
    if (certFile !== "") tls = openServerTls({ certFile, keyFile, caFile }, log);
  } catch (error) {
    keys?.stop();
    throw error;
  }
  if (!isOn) {
    const text = "the control plane asks nobody who he is: all on this machine may change all";
    log.warn({ host }, text);
  } else if (tls === null && !isLoopback(host)) {
    const text = "the control plane has no TLS: whoever sees its traffic can take tokens from it";
    log.warn({ host }, text);
  }
  const access = isOn
    ? new CredentialAccess({
        verifier: () => keys?.value ?? null,
        takesCertificates: caFile !== "",
        ownGatewayId: options.ownGatewayId,
      })
    : null;
  return {
    access: access ?? OPEN_ACCESS,
    ownToken: access?.ownToken ?? "",
    credentials: tls?.credentials ?? ServerCredentials.createInsecure(),
    refresh: () => {
      keys?.refresh();
      tls?.refresh();
    },
    stop: () => {
      keys?.stop();
      tls?.stop();
    },
  };
}

/** The key or key set of tokens; null where there are none. */
async function openKeys(
  options: ControlPlaneOptions,
  log: Log,
): Promise<FreshFiles<VerifyToken> | null> {
  const { authJwtKeyFile, authJwksFile } = options;
  const file = authJwtKeyFile || authJwksFile;
  if (file === "") return null;
  const { verifyByKey, verifyByKeySet } = await import("./verify-token.ts");
  const rules = { issuer: options.authJwtIssuer, audience: options.authJwtAudience };
  const make = authJwtKeyFile === "" ? verifyByKeySet : verifyByKey;
  return new FreshFiles([file], ([text = ""]) => make(text, rules), log);
}
