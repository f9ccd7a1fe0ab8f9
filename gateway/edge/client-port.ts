/**
 * The clients' port: the apps behind it with their routes, the certificate, and the door.
 */
import type { Clock } from "../clock.ts";
import { type HttpParts, routeHttp } from "../http.ts";
import type { Log } from "../log.ts";
import type { GatewayOptions } from "../options.ts";
import { routeWebSocket, type WebSocketParts } from "../web-socket.ts";
import { type CertificateStatus, CertificateWatch, readCertificate } from "./certificate-watch.ts";
import { ClientApps } from "./client-apps.ts";
import { type DoorCounts, FrontDoor } from "./front-door.ts";

/** What /health says of the port. */
export interface EdgeStatus {
  readonly door: DoorCounts;
  /** Null without TLS. */
  readonly certificate: CertificateStatus | null;
}

export class ClientPort {
  readonly apps: ClientApps;
  readonly door: FrontDoor;
  readonly #options: GatewayOptions;
  readonly #log: Log;
  readonly #watch: CertificateWatch | null;

  /**
   * @param isReady whether this gateway is on the bus and stays.
   * @throws {CodedError} `OPTION_INVALID` for a certificate that can not be served.
   */
  constructor(options: GatewayOptions, clock: Clock, log: Log, isReady: () => boolean) {
    this.#options = options;
    this.#log = log;
    const files = { certFile: options.tlsCertFile, keyFile: options.tlsKeyFile };
    const facts = files.certFile === "" ? null : readCertificate(files);
    this.apps = new ClientApps(facts === null ? null : files);
    this.#watch = facts === null ? null : new CertificateWatch(files, facts, this.apps, log);
    this.door = new FrontDoor(options, clock, isReady);
  }

  /** Puts the routes on every app, also on later ones. Called once. */
  route(
    sockets: Pick<WebSocketParts, "connections" | "dispatch">,
    http: Pick<HttpParts, "health" | "status" | "page">,
  ): void {
    const [options, log, door] = [this.#options, this.#log, this.door];
    this.apps.route((app, count) => {
      routeWebSocket(app, { ...sockets, door, options }, count);
      routeHttp(app, { ...http, answersHttp: options.answersHttp, hostRules: options, log });
    });
  }

  get status(): EdgeStatus {
    return { door: this.door.counts, certificate: this.#watch?.status ?? null };
  }

  close(): void {
    this.#watch?.close();
    this.apps.close();
  }
}
