/**
 * Options of a gateway: every limit with its default, its reason, and what happens at it.
 */
import { CodedError } from "../proto/coded-error.ts";
import { checkEdge } from "./edge/check-edge.ts";

export interface GatewayOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host: string;
  /** Port of WebSocket and HTTP, 0 for a free one. Default 8080. */
  readonly port: number;
  /** Others listen on this port too, and are meant to: workers of one parent. Default false. */
  readonly sharesPort: boolean;
  /**
   * Bytes of one client frame, 1024 to 1 MiB. Default 64 KiB: rooms carry events, not files. Beyond
   * it: close 1009; beyond four times it the connection is cut, so that nobody buffers more.
   */
  readonly frameBytesMax: number;
  /** Rooms joined on one connection, 1 to 4096. Default 256. Beyond it: ROOM_LIMIT. */
  readonly roomCountMax: number;
  /**
   * Requests without an answer yet on one connection, 1 to 65536. Default 1024, which is enough for
   * 20 000 publishes/s at 50 ms. Beyond it: IN_FLIGHT_LIMIT, retryable.
   */
  readonly inFlightMax: number;
  /**
   * Bytes waiting to be sent to one connection, 16 KiB to 16 MiB. Default 64 KiB: with it 45
   * healthy readers noticed nothing of 5 stalled ones. Beyond it: off the fast lane, then by class
   * policy.
   */
  readonly backpressureBytesMax: number;
  /** Connections at once, 1 to 1 000 000. Default 100 000. Beyond it: close 1013. */
  readonly connectionCountMax: number;
  /**
   * Where this gateway stands, [a-z0-9-]{0,32}, such as eu-west-1; shown to operators, and clients
   * are moved within it. Default: empty, one place.
   */
  readonly region: string;
  /**
   * Where clients reach this gateway and no other, "wss://gw1.example.com/ws": others may send
   * theirs there. Default: empty, clients are moved through the address they use.
   */
  readonly advertiseUrl: string;
  /** A port of its own beside the shared one, 0 for none. Default 0. */
  readonly directPort: number;
  /**
   * How long a gateway that is told to end still accepts while its readiness is down, ms, 0 to
   * 300 000. Default 5000: load balancers look every 2 to 5 s, and one that is refused at once
   * sends it even more.
   */
  readonly drainAnnounceMs: number;
  /**
   * When what has not gone is closed, ms from the begin, 0 to 3 600 000. Default 30 000, what
   * orchestrators wait. 0: everybody is closed at once.
   */
  readonly drainDeadlineMs: number;
  /**
   * Reconnects a second that all gateways that drain may cause together, 1 to 100 000. Default
   * 1000: with the default deadline that is 18 000 clients. More of them are closed at the
   * deadline.
   */
  readonly drainRateMax: number;
  /** Time from open to Hello, ms, 100 to 60 000. Default 5000. After it: close 4001. */
  readonly handshakeMs: number;
  /**
   * Silence, WebSocket pongs included, after which a connection is closed, seconds, 8 to 960 (the
   * bounds of uWebSockets.js). Default 30.
   */
  readonly idleTimeoutS: number;
  /** Messages of one History page, 1 to 500. Default 500. Larger limits are lowered. */
  readonly historyPageMax: number;
  /**
   * Seats of a connection that broke, or whose gateway is gone, wait so long for its client, ms,
   * 1000 to 600 000. Default 45 000: as long as the lease of a gateway that died, so it is one time
   * for all. Shorter, and slow reconnects lose their places; longer, and places stand empty.
   */
  readonly seatHoldMs: number;
  /**
   * How long a user, or an address without a user, that went on far above a rate is kept out, ms,
   * 1000 to 3 600 000. Default 60 000: a client with a fault costs nothing meanwhile, and a person
   * who mends it is not sent home.
   */
  readonly blockMs: number;
  /**
   * "paced": connections pass no faster than the event loop bears, in their order, and who would
   * wait too long is told when to come again (OVERLOADED). "off": as they come. Default "paced".
   */
  readonly admission: "paced" | "off";
  /**
   * What this process may use, MiB, 0 to 1 048 576. Default 0: what its cgroup has, or the machine;
   * one of several workers needs a number. At 85 % new clients are sent away, at 93 % anonymous
   * ephemeral publishes are dropped as well.
   */
  readonly memoryMibMax: number;
  /**
   * Networks of the proxies in front, "10.0.0.0/8" or one address, at most 64: what they say of a
   * client's address (X-Forwarded-For, PROXY v2) is believed, and what others say is not. Default
   * none: the socket's address counts.
   */
  readonly trustedProxies: readonly string[];
  /** Whether listed proxies say the client's address by PROXY v2. Default false. */
  readonly proxyProtocol: boolean;
  /**
   * Whether health and the page are answered beside the WebSocket. Default true; false where an
   * admin port has them, and must be with `proxyProtocol`.
   */
  readonly answersHttp: boolean;
  /** The admin port, whose page may connect here though its Origin is another; 0 for none. */
  readonly pagePort: number;
  /** PEM certificate chain of clients' TLS; followed when it changes. Default: empty, no TLS. */
  readonly tlsCertFile: string;
  /** PEM private key of `tlsCertFile`. */
  readonly tlsKeyFile: string;
  /**
   * Connections a second from one address, 0 to 100 000, with ten seconds' worth at once. Default
   * 100: an office of 1 000 comes back at once, and one machine can not fill the gateway. Beyond
   * it: HTTP 429. Loopback and listed proxies are exempt. 0: no bound.
   */
  readonly addressConnectRateMax: number;
  /** Origins of web pages that may connect, beside the gateway's own; "*" for any. Default none. */
  readonly allowedOrigins: readonly string[];
  /**
   * Cookie whose value counts as the token of a Hello that has none, where the Origin is our own or
   * listed by name. Default: empty, none.
   */
  readonly authCookie: string;
  /**
   * Tenant of clients that show no token: they come in while one of its classes says so
   * (anonymous_access). Default: empty, every client is authenticated.
   */
  readonly anonymousTenant: string;
  /**
   * Host names that requests may name (without port); "*" for any. Default: loopback names when
   * listening on loopback, so that a web page can not reach us by rebinding its own name; else any.
   */
  readonly allowedHosts: readonly string[];
}

/** Every default; the reasons stand at {@link GatewayOptions}. */
export const GATEWAY_DEFAULTS: GatewayOptions = {
  host: "127.0.0.1",
  port: 8080,
  sharesPort: false,
  frameBytesMax: 64 * 1024,
  roomCountMax: 256,
  inFlightMax: 1024,
  backpressureBytesMax: 64 * 1024,
  connectionCountMax: 100_000,
  region: "",
  advertiseUrl: "",
  directPort: 0,
  drainAnnounceMs: 5000,
  drainDeadlineMs: 30_000,
  drainRateMax: 1000,
  handshakeMs: 5000,
  idleTimeoutS: 30,
  historyPageMax: 500,
  seatHoldMs: 45_000,
  blockMs: 60_000,
  admission: "paced",
  memoryMibMax: 0,
  trustedProxies: [],
  proxyProtocol: false,
  answersHttp: true,
  pagePort: 0,
  tlsCertFile: "",
  tlsKeyFile: "",
  addressConnectRateMax: 100,
  allowedOrigins: [],
  authCookie: "",
  anonymousTenant: "",
  allowedHosts: [],
};

const bounds: Partial<Record<keyof GatewayOptions, readonly [number, number]>> = {
  port: [0, 65_535],
  frameBytesMax: [1024, 1024 * 1024],
  roomCountMax: [1, 4096],
  inFlightMax: [1, 65_536],
  backpressureBytesMax: [16 * 1024, 16 * 1024 * 1024],
  connectionCountMax: [1, 1_000_000],
  directPort: [0, 65_535],
  drainAnnounceMs: [0, 300_000],
  drainDeadlineMs: [0, 3_600_000],
  drainRateMax: [1, 100_000],
  handshakeMs: [100, 60_000],
  idleTimeoutS: [8, 960],
  historyPageMax: [1, 500],
  seatHoldMs: [1000, 600_000],
  blockMs: [1000, 3_600_000],
  memoryMibMax: [0, 1024 ** 2],
  pagePort: [0, 65_535],
  addressConnectRateMax: [0, 100_000],
};

/**
 * Fills in defaults and refuses what is out of bounds.
 *
 * @throws {CodedError} `OPTION_INVALID` naming option, value and bound.
 */
export function validateGatewayOptions(partial: Partial<GatewayOptions>): GatewayOptions {
  const options = { ...GATEWAY_DEFAULTS, ...partial };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = options[name as keyof GatewayOptions];
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw new CodedError("OPTION_INVALID", `${name} is ${value}, must be ${min} to ${max}`);
    }
  }
  if (!REGION_PATTERN.test(options.region)) {
    const shown = JSON.stringify(options.region);
    throw new CodedError("OPTION_INVALID", `region is ${shown}, must be [a-z0-9-]{0,32}`);
  }
  checkEdge(options);
  return options;
}

/** What a region is named. */
export const REGION_PATTERN = /^[a-z0-9-]{0,32}$/;
