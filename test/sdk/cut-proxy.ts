/**
 * A TCP proxy that cuts: what a bad network does to a connection, at the moment a test chooses.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export class CutProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections that were cut. */
  cutCount = 0;
  /** Cut after this many more bytes in either direction; Infinity: never. */
  #bytesLeft = Number.POSITIVE_INFINITY;

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
  }

  /** @param target the gateway's URL. */
  static async start(target: string): Promise<CutProxy> {
    const { hostname, port, pathname } = new URL(target);
    const server = createServer((client) => {
      const gateway = connect(Number(port), hostname);
      for (const [from, to] of [[client, gateway] as const, [gateway, client] as const]) {
        proxy.#sockets.add(from);
        from.on("data", (chunk) => proxy.#pass(chunk, from, to));
        from.on("close", () => {
          proxy.#sockets.delete(from);
          to.destroy();
        });
        from.on("error", () => {
          // The other end was cut or killed; "close" follows and ends this side too.
        });
      }
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy = new CutProxy(server, pathname);
    return proxy;
  }

  /** Whether a cut is about to come. */
  get isArmed(): boolean {
    return this.#bytesLeft < Number.POSITIVE_INFINITY;
  }

  /** Cuts all connections once this many more bytes have passed, in the middle of a frame if so. */
  cutAfter(bytes: number): void {
    this.#bytesLeft = bytes;
  }

  /** Cuts all connections now. */
  cut(): void {
    if (this.#sockets.size > 0) this.cutCount += 1;
    this.#bytesLeft = Number.POSITIVE_INFINITY;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    const passed = chunk.subarray(0, Math.min(chunk.length, this.#bytesLeft));
    this.#bytesLeft -= passed.length;
    if (passed.length > 0 && !to.write(passed)) {
      from.pause();
      to.once("drain", () => from.resume());
    }
    if (this.#bytesLeft <= 0) this.cut();
  }
}
