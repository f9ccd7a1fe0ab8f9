/**
 * Who may connect: Host and Origin, the subprotocol, and floods, before a WebSocket is upgraded.
 *
 * A refusal is an HTTP answer, unless the client's port answers nothing but upgrades:
 * uWebSockets.js reads a PROXY v2 header before every request, so whoever stands behind a proxy of
 * that kind could send one of its own with a second request. There the first request is the last
 * one.
 */
import type { HttpRequest, HttpResponse, TemplatedApp } from "uWebSockets.js";
import { cookieToken } from "../auth/cookie.ts";
import type { Clock } from "../clock.ts";
import { decideHost } from "../host-check.ts";
import type { GatewayOptions } from "../options.ts";
import { addressOf } from "../seats/address.ts";
import { decideClientAddress } from "./client-address.ts";
import { FloodGuard } from "./flood-guard.ts";
import { isInNetworks, type Network, normalAddress, parseNetwork } from "./networks.ts";
import { READY_SUBPROTOCOL, SUBPROTOCOL } from "./subprotocol.ts";

/** An address may open this many times as many sockets as WebSockets: health checks, a page. */
const SOCKET_FACTOR = 4;
/** Until somebody who is refused shall try again, seconds. */
const RETRY_AFTER_S = { many: 10, full: 5 } as const;
const SUBPROTOCOL_REFUSAL = `this endpoint speaks the subprotocol ${SUBPROTOCOL}`;

/** A client that may connect. */
export interface Admitted {
  /** As a listed proxy says it; "" when it is the socket's other end. */
  readonly address: string;
  /** The subprotocol that is agreed on; "" for none. */
  readonly subprotocol: string;
  /** The token in its cookie, where that counts; "" for none. */
  readonly cookieToken: string;
}

/** What is counted at the door, since the start. */
export interface DoorCounts {
  /** Sockets that were closed unread, and upgrades that were answered 429 or 503. */
  readonly floodRefusals: number;
  /** Upgrades refused by Host, Origin or subprotocol. */
  readonly policyRefusals: number;
}

export class FrontDoor {
  readonly #options: GatewayOptions;
  readonly #clock: Clock;
  readonly #isReady: () => boolean;
  readonly #trusted: readonly Network[];
  readonly #sockets: FloodGuard;
  readonly #upgrades: FloodGuard;
  #policyRefusals = 0;

  /** @param isReady whether this gateway is on the bus and stays. */
  constructor(options: GatewayOptions, clock: Clock, isReady: () => boolean) {
    this.#options = options;
    this.#clock = clock;
    this.#isReady = isReady;
    this.#trusted = options.trustedProxies.flatMap((text) => parseNetwork(text) ?? []);
    this.#sockets = new FloodGuard(options.addressConnectRateMax * SOCKET_FACTOR);
    this.#upgrades = new FloodGuard(options.addressConnectRateMax);
  }

  get counts(): DoorCounts {
    const floodRefusals = this.#sockets.refusedCount + this.#upgrades.refusedCount;
    return { floodRefusals, policyRefusals: this.#policyRefusals };
  }

  /** Closes sockets of an address that opens too many, before a byte of them is read. */
  guardSockets(app: TemplatedApp): void {
    if (this.#options.addressConnectRateMax === 0) return;
    const guard = (res: HttpResponse, change: number) => {
      if (change !== 1) return;
      const address = this.#limitedAddress(new Uint8Array(res.getRemoteAddress()));
      if (this.#sockets.judge(address, this.#clock.nowUs() / 1000) !== "admit") res.close();
    };
    app.filter(guard);
  }

  /** Judges an upgrade; answers it and gives null when it is refused. */
  admit(res: HttpResponse, req: HttpRequest): Admitted | null {
    const refusal = decideHost(this.#options, req.getHeader("host"), req.getHeader("origin"));
    if (refusal !== null) {
      return this.#refuse(res, "403 Forbidden", `[${refusal.code}] ${refusal.detail}`);
    }
    const offered = req.getHeader("sec-websocket-protocol").split(",");
    const subprotocol = this.#choose(offered.map((each) => each.trim()));
    if (subprotocol === null) return this.#refuse(res, "400 Bad Request", SUBPROTOCOL_REFUSAL);
    const peer = new Uint8Array(res.getRemoteAddress());
    const isProxied = this.#options.proxyProtocol;
    const address = decideClientAddress(
      {
        peer,
        proxied: isProxied ? new Uint8Array(res.getProxiedRemoteAddress()) : new Uint8Array(0),
        forwarded: req.getHeader("x-forwarded-for"),
      },
      this.#trusted,
    );
    const counted = address === "" ? this.#limitedAddress(peer) : address;
    const verdict = this.#upgrades.judge(counted, this.#clock.nowUs() / 1000);
    if (verdict === "admit") return { address, subprotocol, cookieToken: this.#cookieToken(req) };
    const status = verdict === "many" ? "429 Too Many Requests" : "503 Service Unavailable";
    end(res, this.#options, status, "too many connections; try again later", verdict);
    return null;
  }

  /** The subprotocol that is spoken; null when none of those offered is. */
  #choose(offered: readonly string[]): string | null {
    if (offered.includes(SUBPROTOCOL)) return SUBPROTOCOL;
    if (offered.includes(READY_SUBPROTOCOL) && this.#isReady()) return READY_SUBPROTOCOL;
    return offered.length === 1 && offered[0] === "" ? "" : null;
  }

  #cookieToken(req: HttpRequest): string {
    const { authCookie, allowedOrigins } = this.#options;
    if (authCookie === "") return "";
    const [host, origin] = [req.getHeader("host"), req.getHeader("origin")];
    return cookieToken(
      { host, origin, cookie: req.getHeader("cookie") },
      authCookie,
      allowedOrigins,
    );
  }

  /** Loopback and listed proxies may open as many as they like: many clients come from there. */
  #limitedAddress(peer: Uint8Array): string {
    const normal = normalAddress(peer);
    if (normal === null || isInNetworks(LOOPBACK, normal)) return "";
    return isInNetworks(this.#trusted, normal) ? "" : addressOf(normal);
  }

  #refuse(res: HttpResponse, status: string, text: string): null {
    this.#policyRefusals += 1;
    end(res, this.#options, status, text, null);
    return null;
  }
}

const LOOPBACK = ["127.0.0.0/8", "::1"].flatMap((text) => parseNetwork(text) ?? []);

function end(
  res: HttpResponse,
  options: GatewayOptions,
  status: string,
  text: string,
  flood: "many" | "full" | null,
): void {
  if (!options.answersHttp) {
    res.close();
    return;
  }
  res.cork(() => {
    res.writeStatus(status);
    res.writeHeader("Content-Type", "text/plain; charset=utf-8");
    if (flood !== null) res.writeHeader("Retry-After", `${RETRY_AFTER_S[flood]}`);
    res.end(`${text}\n`, true);
  });
}
