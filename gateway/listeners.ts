/**
 * The ports of a gateway: the one of clients, which workers may share, and one that is its own.
 */
import {
  type TemplatedApp,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
} from "uWebSockets.js";
import { listen } from "./listen.ts";
import type { GatewayOptions } from "./options.ts";

export class Listeners {
  readonly #app: TemplatedApp;
  readonly #options: GatewayOptions;
  #main: us_listen_socket | null;
  #direct: us_listen_socket | null = null;
  readonly port: number;

  private constructor(app: TemplatedApp, options: GatewayOptions, main: us_listen_socket) {
    this.#app = app;
    this.#options = options;
    this.#main = main;
    this.port = us_socket_local_port(main);
  }

  /** Starts to listen. @throws {CodedError} `ADDRESS_IN_USE`. */
  static async open(app: TemplatedApp, options: GatewayOptions): Promise<Listeners> {
    const { host, port, sharesPort, directPort } = options;
    const listeners = new Listeners(app, options, await listen(app, host, port, sharesPort));
    if (directPort > 0) listeners.#direct = await listen(app, host, directPort, false);
    return listeners;
  }

  /**
   * Stops or goes on listening on a port that others share: they get the connections meanwhile.
   * Does nothing on a port that is not shared.
   */
  async setShared(isOpen: boolean): Promise<void> {
    if (!this.#options.sharesPort) return;
    if (!isOpen) this.#closeMain();
    else this.#main ??= await listen(this.#app, this.#options.host, this.port, true);
  }

  close(): void {
    this.#closeMain();
    if (this.#direct !== null) us_listen_socket_close(this.#direct);
    this.#direct = null; // uWebSockets.js does not survive a second close of a listener
  }

  #closeMain(): void {
    if (this.#main !== null) us_listen_socket_close(this.#main);
    this.#main = null;
  }
}
