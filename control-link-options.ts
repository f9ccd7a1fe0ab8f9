/**
 * Where a gateway finds control planes, and who it is to them, as the process's options say.
 */
import type { ControlLinkOptions } from "./gateway/control-link/control-link.ts";
import { readOptionFile } from "./option-file.ts";
import type { OptionValues } from "./options.ts";

/**
 * @param ownAddress "host:port" of a control plane in this process; null for none.
 * @returns null where there is no control plane to follow: the bus brings the configuration.
 * @throws {CodedError} `OPTION_INVALID` for a file that can not be read.
 */
export function controlLinkOptions(
  options: OptionValues,
  ownAddress: string | null,
): ControlLinkOptions | null {
  const named = options.list("CONTROL_URL");
  const urls = named.length === 0 && ownAddress !== null ? [ownAddress] : named;
  if (urls.length === 0) return null;
  const ca = readOptionFile(options, "CONTROL_TLS_CA_FILE");
  const cert = readOptionFile(options, "CONTROL_TLS_CERT_FILE");
  const key = readOptionFile(options, "CONTROL_TLS_KEY_FILE");
  return {
    urls,
    token: () => readOptionFile(options, "CONTROL_TOKEN_FILE").trim(),
    tls: ca === "" && cert === "" ? null : { ca, cert, key },
  };
}
