/**
 * Where a gateway finds control planes, and who it is to them, as the process's options say.
 */
import type { ControlLinkOptions, LinkTls } from "./gateway/control-link/control-link.ts";
import { readOptionFile } from "./option-file.ts";
import type { OptionValues } from "./options.ts";

/** The control plane of this process. */
export interface OwnControlPlane {
  readonly port: number;
  /** What it knows the gateway of this process by; empty without access control. */
  readonly gatewayToken: string;
}

/**
 * @param own null when this process runs no control plane. Without CONTROL_URL it is the one that
 *   is followed, by the token that it made for us.
 * @returns null where there is no control plane to follow: the bus brings the configuration.
 * @throws {CodedError} `OPTION_INVALID` for a file that can not be read.
 */
export function controlLinkOptions(
  options: OptionValues,
  own: OwnControlPlane | null,
): ControlLinkOptions | null {
  const named = options.list("CONTROL_URL");
  const read = () => readTls(options);
  if (named.length > 0) {
    read(); // what can not be read is told at the start
    const token = () => readOptionFile(options, "CONTROL_TOKEN_FILE").trim();
    return { urls: named, token, tls: () => hasAny(read(), false) };
  }
  if (own === null) return null;
  const hasTls = options.text("CONTROL_TLS_CERT_FILE") !== "";
  return {
    urls: [ownAddress(options.text("CONTROL_HOST"), own.port)],
    token: () => own.gatewayToken,
    tls: () => (hasTls ? { ...read(), isOwn: true } : null),
  };
}

type Pems = Omit<LinkTls, "isOwn">;

function readTls(options: OptionValues): Pems {
  return {
    ca: readOptionFile(options, "CONTROL_TLS_CA_FILE"),
    cert: readOptionFile(options, "CONTROL_TLS_CERT_FILE"),
    key: readOptionFile(options, "CONTROL_TLS_KEY_FILE"),
  };
}

function hasAny(pems: Pems, isOwn: boolean): LinkTls | null {
  return pems.ca === "" && pems.cert === "" ? null : { ...pems, isOwn };
}

/** One that listens on all addresses is reached by loopback. */
function ownAddress(host: string, port: number): string {
  if (host === "0.0.0.0") return `127.0.0.1:${port}`;
  if (host === "::") return `[::1]:${port}`;
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}
