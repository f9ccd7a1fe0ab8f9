/**
 * A proxy between a process and NATS that loses single messages, freezes or cuts, at the moment a
 * test chooses. It knows just enough of the protocol to see where a message ends.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Whether a message is to be lost; asked once for each, in order. */
export type Lose = (subject: string, payload: Buffer) => boolean;

export class NatsProxy {
  readonly url: string;
  /** Messages from the process to NATS. */
  losePublished: Lose = () => false;
  /** Messages from NATS to the process. */
  loseReceived: Lose = () => false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isFrozen = false;
  #isRefusing = false;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param target URL of a nats-server. */
  static async start(target: string): Promise<NatsProxy> {
    const { hostname, port } = new URL(target);
    const server = createServer((process) => proxy.#join(process, hostname, Number(port)));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const proxy: NatsProxy = new NatsProxy(server);
    return proxy;
  }

  /** Ends all connections; the process may connect again. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends all connections for good, as when the process is killed. */
  kill(): void {
    this.#isRefusing = true;
    this.cut();
  }

  /** Nothing passes any more, in open connections and new ones, until {@link thaw}. */
  freeze(): void {
    this.#isFrozen = true;
    for (const socket of this.#sockets) socket.pause();
  }

  thaw(): void {
    this.#isFrozen = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async stop(): Promise<void> {
    this.kill();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(process: Socket, hostname: string, port: number): void {
    if (this.#isRefusing) {
      process.destroy();
      return;
    }
    const nats = connect(port, hostname);
    this.#pass(process, nats, (subject, payload) => this.losePublished(subject, payload));
    this.#pass(nats, process, (subject, payload) => this.loseReceived(subject, payload));
  }

  #pass(from: Socket, to: Socket, lose: Lose): void {
    this.#sockets.add(from);
    let waiting = Buffer.alloc(0);
    from.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (let size = nextSize(waiting); size > 0; size = nextSize(waiting)) {
        const unit = waiting.subarray(0, size);
        waiting = waiting.subarray(size);
        const message = readMessage(unit);
        if (message === null || !lose(message.subject, message.payload)) to.write(unit);
      }
    });
    from.on("close", () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on("error", () => {
      // The other end was cut or killed; "close" follows and ends this side too.
    });
    if (this.#isFrozen) from.pause();
  }
}

/** Bytes of the first whole unit (a line, with its payload if it has one); 0 for none yet. */
function nextSize(bytes: Buffer): number {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return 0;
  const words = bytes.toString("latin1", 0, end).split(" ");
  const size = isMessage(words[0]) ? end + 2 + Number(words.at(-1)) + 2 : end + 2;
  return bytes.length >= size ? size : 0;
}

function readMessage(unit: Buffer): { subject: string; payload: Buffer } | null {
  const end = unit.indexOf("\r\n");
  const words = unit.toString("latin1", 0, end).split(" ");
  if (!isMessage(words[0])) return null;
  return { subject: words[1] ?? "", payload: unit.subarray(end + 2, unit.length - 2) };
}

function isMessage(verb: string | undefined): boolean {
  return verb === "PUB" || verb === "HPUB" || verb === "MSG" || verb === "HMSG";
}
