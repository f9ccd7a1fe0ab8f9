/**
 * A TCP proxy that does what bad networks and dying middle boxes do: cut, slow, half-open, frozen
 * with bytes inside.
 *
 * It is also the load balancer of a run: each new connection goes to the next target that accepts.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Pipe, type PipeState } from "./pipe.ts";

interface Link {
  readonly near: Socket;
  readonly far: Socket;
  readonly pipes: readonly Pipe[];
}

/** Which way of a connection. */
export type Direction = "toTarget" | "toClient";

export class ChaosProxy {
  readonly #server: Server;
  readonly #targets: () => readonly number[];
  readonly #links = new Set<Link>();
  /** Both ends of links, and those that are not joined yet. */
  readonly #sockets = new Set<Socket>();
  readonly #states: Record<Direction, PipeState> = { toTarget: healthy(), toClient: healthy() };
  #next = 0;
  #isRefusing = false;

  private constructor(server: Server, targets: () => readonly number[]) {
    this.#server = server;
    this.#targets = targets;
    server.on("connection", (near) => this.#accept(near));
  }

  /** @param targets ports on loopback, asked for each connection; taken in turns. */
  static async open(targets: () => readonly number[]): Promise<ChaosProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new ChaosProxy(server, targets);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return proxy;
  }

  /** Where clients connect, on 127.0.0.1. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that pass through now. */
  get linkCount(): number {
    return this.#links.size;
  }

  /** Bytes that are held inside. */
  get heldBytes(): number {
    const pipes = [...this.#links].flatMap((link) => link.pipes);
    return pipes.reduce((sum, pipe) => sum + pipe.heldBytes, 0);
  }

  /** Resets every connection, with what is on its way. Returns how many. */
  cut(): number {
    const links = [...this.#links];
    for (const { near, far } of links) {
      reset(near);
      reset(far);
    }
    return links.length;
  }

  /** New connections are reset from now on, or not any more. */
  refuse(isRefusing: boolean): void {
    this.#isRefusing = isRefusing;
  }

  /** Holds all bytes of one or both directions inside; ends too. New connections hang. */
  freeze(...directions: readonly Direction[]): void {
    this.#set(directions, { isFrozen: true });
  }

  /** Passes at most so many bytes a second each way. */
  slow(bytesPerS: number): void {
    this.#set([], { bytesPerS });
  }

  /** Every byte of one or both directions takes so long. */
  delay(delayMs: number, ...directions: readonly Direction[]): void {
    this.#set(directions, { delayMs });
  }

  /**
   * The near ends are reset; what they sent stays inside until {@link heal}, and then arrives. New
   * connections pass.
   */
  strand(): number {
    const links = [...this.#links];
    for (const { near, pipes } of links) {
      for (const pipe of pipes) pipe.hold();
      reset(near);
    }
    return links.length;
  }

  /** The far ends are gone and the near ones are not told: what they send vanishes. */
  halfOpen(): number {
    this.#set([], { isSwallowing: true });
    for (const { far } of this.#links) reset(far);
    return this.#links.size;
  }

  /**
   * As at the start; frozen bytes go on their way. What was half-open is reset. What is stranded
   * stays so with `exceptStranded`.
   */
  heal(exceptStranded = false): void {
    const wasSwallowing = this.#states.toClient.isSwallowing;
    Object.assign(this.#states.toTarget, healthy());
    Object.assign(this.#states.toClient, healthy());
    this.#isRefusing = false;
    if (wasSwallowing) this.cut();
    for (const pipe of [...this.#links].flatMap(({ pipes }) => pipes)) {
      if (exceptStranded) pipe.pump();
      else pipe.release();
    }
  }

  /** Ends it with all its connections. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) reset(socket);
    this.#server.close();
    await once(this.#server, "close");
  }

  #set(directions: readonly Direction[], change: Partial<PipeState>): void {
    const chosen = directions.length === 0 ? (["toTarget", "toClient"] as const) : directions;
    for (const direction of chosen) Object.assign(this.#states[direction], change);
  }

  #accept(near: Socket): void {
    this.#track(near);
    near.on("error", () => near.destroy()); // reset by its client, or by a cut
    if (this.#isRefusing) {
      reset(near);
      return;
    }
    const targets = this.#targets();
    const first = this.#next;
    this.#next += 1;
    this.#dial(near, targets, first, 0);
  }

  /** Tries each target once, beginning with the one whose turn it is. */
  #dial(near: Socket, targets: readonly number[], first: number, tried: number): void {
    const port = targets[(first + tried) % Math.max(1, targets.length)];
    if (port === undefined || tried >= targets.length || near.destroyed) {
      reset(near);
      return;
    }
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    this.#track(far);
    let isOpen = false;
    far.on("error", () => {
      far.destroy();
      if (isOpen) return; // the target died; "close" ends the other side
      this.#dial(near, targets, first, tried + 1);
    });
    far.once("connect", () => {
      isOpen = true;
      this.#join(near, far);
    });
  }

  #track(socket: Socket): void {
    socket.setNoDelay(true);
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  #join(near: Socket, far: Socket): void {
    const pipes = [
      new Pipe(near, far, this.#states.toTarget),
      new Pipe(far, near, this.#states.toClient),
    ];
    const link = { near, far, pipes };
    this.#links.add(link);
    for (const socket of [near, far]) {
      socket.once("close", () => {
        if (near.destroyed && far.destroyed) this.#links.delete(link);
      });
    }
    if (near.destroyed) far.end();
  }
}

/** A socket that is ending can not be reset: Node would leave its handle open. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

function healthy(): PipeState {
  const bytesPerS = Number.POSITIVE_INFINITY;
  return { isFrozen: false, isSwallowing: false, bytesPerS, delayMs: 0 };
}
