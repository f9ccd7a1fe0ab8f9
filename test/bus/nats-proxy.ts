/**
 * A proxy between a process and NATS that loses single messages, freezes or cuts, at the moment a
 * test chooses. It knows just enough of the protocol to see where a message ends.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Whether a message is to be lost, or held; asked once for each, in order. */
export type Judge = (subject: string, payload: Buffer) => boolean;

/** A message that is kept inside, with where it was going. */
interface HeldMessage {
  readonly unit: Buffer;
  readonly to: Socket;
}

export class NatsProxy {
  readonly url: string;
  /** Messages from the process to NATS. */
  losePublished: Judge = () => false;
  /** Messages from NATS to the process. */
  loseReceived: Judge = () => false;
  /** Messages from the process to NATS that are kept inside, while others pass. */
  holdPublished: Judge = () => false;
  readonly #held: HeldMessage[] = [];
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

  /** What is held goes on its way, where its connection still lives. */
  release(): void {
    for (const { unit, to } of this.#held.splice(0)) if (!to.destroyed) to.write(unit);
  }

  /**
   * What is held reaches a server late, over a connection of its own, as bytes do that waited in a
   * buffer while their sender died.
   *
   * @param target URL of a nats-server.
   */
  async deliverLate(target: string): Promise<void> {
    const { hostname, port } = new URL(target);
    const socket = connect(Number(port), hostname);
    const options = JSON.stringify({ verbose: false, headers: true, no_responders: true });
    const units = this.#held.splice(0).map(({ unit }) => unit);
    socket.write(Buffer.concat([Buffer.from(`CONNECT ${options}\r\n`), ...units]));
    socket.write("PING\r\n");
    let said = "";
    for await (const chunk of socket) {
      said += String(chunk);
      if (said.includes("-ERR")) throw new Error(`NATS refused what came late: ${said}`);
      if (said.includes("PONG")) break; // all before it is taken
    }
    socket.destroy();
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
    this.#pass(process, nats, (unit, { subject, payload }) => {
      if (this.losePublished(subject, payload)) return false;
      if (!this.holdPublished(subject, payload)) return true;
      this.#held.push({ unit: Buffer.from(unit), to: nats });
      return false;
    });
    this.#pass(nats, process, (_, { subject, payload }) => !this.loseReceived(subject, payload));
  }

  #pass(from: Socket, to: Socket, isPassing: (unit: Buffer, message: Message) => boolean): void {
    this.#sockets.add(from);
    let waiting = Buffer.alloc(0);
    from.on("data", (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (let size = nextSize(waiting); size > 0; size = nextSize(waiting)) {
        const unit = waiting.subarray(0, size);
        waiting = waiting.subarray(size);
        const message = readMessage(unit);
        if (message === null || isPassing(unit, message)) to.write(unit);
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

interface Message {
  readonly subject: string;
  readonly payload: Buffer;
}

function readMessage(unit: Buffer): Message | null {
  const end = unit.indexOf("\r\n");
  const words = unit.toString("latin1", 0, end).split(" ");
  if (!isMessage(words[0])) return null;
  return { subject: words[1] ?? "", payload: unit.subarray(end + 2, unit.length - 2) };
}

function isMessage(verb: string | undefined): boolean {
  return verb === "PUB" || verb === "HPUB" || verb === "MSG" || verb === "HMSG";
}
