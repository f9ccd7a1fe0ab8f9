/**
 * What the options of the gateway's edge must be together: TLS, proxies, and who answers HTTP.
 *
 * Pure.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { GatewayOptions } from "../options.ts";
import { parseNetwork } from "./networks.ts";

/** Entries of trustedProxies: each is compared for every new connection. */
export const TRUSTED_PROXY_COUNT_MAX = 64;

/** The options that are looked at. */
export type EdgeOptions = Pick<
  GatewayOptions,
  "trustedProxies" | "proxyProtocol" | "answersHttp" | "tlsCertFile" | "tlsKeyFile"
>;

/**
 * Refuses what does not go together.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function checkEdge(options: EdgeOptions): void {
  const { trustedProxies, proxyProtocol, answersHttp, tlsCertFile, tlsKeyFile } = options;
  const refuse = (detail: string) => {
    throw new CodedError("OPTION_INVALID", detail);
  };
  const count = trustedProxies.length;
  if (count > TRUSTED_PROXY_COUNT_MAX) {
    refuse(`TRUSTED_PROXIES has ${count} entries, at most ${TRUSTED_PROXY_COUNT_MAX}`);
  }
  for (const entry of trustedProxies) {
    if (parseNetwork(entry) !== null) continue;
    const shown = JSON.stringify(entry.slice(0, 64));
    refuse(`TRUSTED_PROXIES has ${shown}, must be an address or a network such as 10.0.0.0/8`);
  }
  if ((tlsCertFile === "") !== (tlsKeyFile === "")) {
    refuse("TLS_CERT_FILE and TLS_KEY_FILE belong together; set both or neither");
  }
  if (!proxyProtocol) return;
  if (count === 0) refuse("PROXY_PROTOCOL is v2, so TRUSTED_PROXIES must list who may send it");
  if (answersHttp) {
    refuse(
      "PROXY_PROTOCOL is v2, so ADMIN_PORT must be set: the clients' port answers no HTTP then",
    );
  }
  if (tlsCertFile !== "") {
    refuse(
      "PROXY_PROTOCOL is v2 and TLS_CERT_FILE is set: the header comes before TLS, where it can not be read; end TLS at the proxy",
    );
  }
}
