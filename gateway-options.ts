/**
 * The gateway's part of the process's options.
 */
import { decideAdvertiseUrl } from "./gateway/drain/advertise-url.ts";
import type { GatewayOptions } from "./gateway/options.ts";
import { guardOptions } from "./guard-options.ts";
import type { OptionValues } from "./options.ts";

/**
 * Options of the gateway, from those of the process.
 *
 * @throws {CodedError} `OPTION_INVALID`.
 */
export function gatewayOptions(options: OptionValues): Partial<GatewayOptions> {
  return {
    host: options.text("HOST"),
    port: options.integer("PORT"),
    frameBytesMax: options.integer("FRAME_BYTES_MAX"),
    roomCountMax: options.integer("ROOM_COUNT_MAX"),
    inFlightMax: options.integer("IN_FLIGHT_MAX"),
    backpressureBytesMax: options.integer("BACKPRESSURE_BYTES_MAX"),
    connectionCountMax: options.integer("CONNECTION_COUNT_MAX"),
    advertiseUrl: ownUrl(options),
    directPort: options.integer("DIRECT_PORT"),
    drainAnnounceMs: options.integer("DRAIN_ANNOUNCE_MS"),
    drainDeadlineMs: options.integer("DRAIN_DEADLINE_MS"),
    drainRateMax: options.integer("DRAIN_RATE_MAX"),
    region: options.text("REGION"),
    handshakeMs: options.integer("HANDSHAKE_MS"),
    idleTimeoutS: options.integer("IDLE_TIMEOUT_S"),
    historyPageMax: options.integer("HISTORY_PAGE_MAX"),
    seatHoldMs: options.integer("SEAT_HOLD_MS"),
    ...guardOptions(options),
    trustedProxies: options.list("TRUSTED_PROXIES"),
    proxyProtocol: options.text("PROXY_PROTOCOL") === "v2",
    answersHttp: options.integer("ADMIN_PORT") === 0,
    pagePort: options.integer("ADMIN_PORT"),
    tlsCertFile: options.text("TLS_CERT_FILE"),
    tlsKeyFile: options.text("TLS_KEY_FILE"),
    addressConnectRateMax: options.integer("ADDRESS_CONNECT_RATE_MAX"),
    authCookie: options.text("AUTH_COOKIE"),
    // Without authentication everybody is somebody already.
    anonymousTenant: options.text("AUTH") === "none" ? "" : options.text("ANONYMOUS_TENANT"),
    allowedOrigins: options.list("ALLOWED_ORIGINS"),
    allowedHosts: options.list("ALLOWED_HOSTS"),
  };
}

/** Where clients reach this process and no other. */
function ownUrl(options: OptionValues): string {
  const facts = {
    url: options.text("ADVERTISE_URL"),
    host: options.text("HOST"),
    workerCount: 1,
    hasTls: options.text("TLS_CERT_FILE") !== "",
  };
  return decideAdvertiseUrl({ ...facts, directPort: options.integer("DIRECT_PORT") }, 0);
}
