/**
 * A load generator of clients that only listen for flags and version gates: it says when the last
 * of them has heard of a change.
 *
 * Driven by its parent (load-process.ts) over IPC.
 */
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { monotonicUs } from "./clock.ts";
import type { FlagCommand, FlagReply } from "./flag-protocol.ts";
import { BenchSocket, ReadBuffer, type SocketEvents } from "./socket.ts";
import { helloFrame } from "./tidegate-adapter.ts";

/** Handshakes at once. */
const OPENING_MAX = 128;
/** A refused handshake is tried again after this, ms: a gateway lets clients in at its own pace. */
const RETRY_MS = 50;

class Clients {
  readonly #shared = new ReadBuffer();
  readonly #sockets = new Set<BenchSocket>();
  readonly #reply: (message: FlagReply) => void;
  #url = new URL("ws://127.0.0.1");
  #wanted = 0;
  #begun = 0;
  #welcomed = 0;
  /** Clients that have to hear of the change. */
  #waiting = 0;
  #heard = 0;
  #value = "";

  constructor(reply: (message: FlagReply) => void) {
    this.#reply = reply;
  }

  handle(command: FlagCommand): void {
    switch (command.kind) {
      case "open":
        this.#url = new URL(command.url);
        this.#wanted = command.count;
        for (let i = 0; i < OPENING_MAX; i += 1) this.#openNext();
        return;
      case "await":
        this.#waiting = command.count;
        this.#heard = 0;
        this.#value = command.value;
        this.#reply({ kind: "awaiting" });
        return;
      default:
        command satisfies never;
    }
  }

  reset(): void {
    for (const socket of this.#sockets) socket.reset();
  }

  #openNext(): void {
    if (this.#begun >= this.#wanted) return;
    this.#begun += 1;
    this.#open(this.#begun);
  }

  #open(index: number): void {
    let isWelcome = false;
    const events: SocketEvents = {
      onOpen: () => socket.send(helloFrame(Buffer.alloc(0))),
      onRead: () => {},
      onDelivery: () => {},
      onFrame: (content) => {
        const { frame } = ServerFrame.decode(content);
        if (frame?.$case === "welcome" && !isWelcome) {
          isWelcome = true;
          this.#welcome();
        } else if (frame?.$case === "flags") this.#hear(frame.value.flags[0]?.valueJson ?? "");
        else if (frame?.$case === "versionMismatch") this.#hear(frame.value.message);
      },
      onBroken: () => {
        if (isWelcome) throw new Error("a client was put out");
        this.#sockets.delete(socket);
        setTimeout(() => this.#open(index), RETRY_MS);
      },
    };
    const socket = new BenchSocket(this.#url, "tidegate.v1", index, this.#shared, events);
    this.#sockets.add(socket);
  }

  #welcome(): void {
    this.#welcomed += 1;
    if (this.#welcomed === this.#wanted) this.#reply({ kind: "opened" });
    else this.#openNext();
  }

  #hear(value: string): void {
    if (value !== this.#value) return;
    this.#heard += 1;
    if (this.#heard === this.#waiting) this.#reply({ kind: "heard", atUs: monotonicUs() });
  }
}

const clients = new Clients((message) => process.send?.(message));
process.on("message", (command: FlagCommand) => clients.handle(command));
process.once("disconnect", () => {
  clients.reset();
  setImmediate(() => process.exit());
});
