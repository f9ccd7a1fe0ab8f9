/**
 * One direction of a proxied connection: bytes that can be held, slowed and swallowed on their way.
 *
 * What is inside when the source ends is still delivered, then the end: as a kernel's socket buffer
 * does, and as a frozen process does once it is thawed.
 */
import type { Socket } from "node:net";

/** Bytes held before the source is read no further; the kernel's buffers then fill up too. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** A slow pipe passes bytes on this tick, ms. */
const TICK_MS = 20;

/** How a pipe treats bytes. */
export interface PipeState {
  /** Holds everything inside. */
  isFrozen: boolean;
  /** Takes bytes and throws them away, like a network that lost the other end. */
  isSwallowing: boolean;
  /** Bytes a second; Infinity: as fast as it goes. */
  bytesPerS: number;
  /** Every byte takes this long, ms. */
  delayMs: number;
}

export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #state: PipeState;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isEnded = false;
  /** As frozen, for this pipe alone. */
  #isHeld = false;
  #timer: NodeJS.Timeout | null = null;

  /** @param state shared by all pipes of a proxy; call {@link pump} after a change. */
  constructor(from: Socket, to: Socket, state: PipeState) {
    this.#from = from;
    this.#to = to;
    this.#state = state;
    from.on("data", (chunk: Buffer) => this.#take(chunk));
    from.on("end", () => this.#end());
    from.on("close", () => this.#end());
    to.on("drain", () => this.pump());
  }

  /** Bytes inside. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Holds everything inside until {@link release}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** Lets go of what was held. */
  release(): void {
    this.#isHeld = false;
    this.pump();
  }

  /** Passes on what may pass now. */
  pump(): void {
    const { isFrozen, bytesPerS } = this.#state;
    if (isFrozen || this.#isHeld || this.#to.destroyed) return;
    let quota = bytesPerS === Infinity ? Infinity : Math.ceil((bytesPerS * TICK_MS) / 1000);
    while (quota > 0 && !this.#to.writableNeedDrain) {
      const chunk = this.#held.shift();
      if (chunk === undefined) break;
      const now = chunk.subarray(0, Math.min(quota, chunk.length));
      if (now.length < chunk.length) this.#held.unshift(chunk.subarray(now.length));
      quota -= now.length;
      this.#heldBytes -= now.length;
      this.#to.write(now);
    }
    if (this.#heldBytes < HELD_BYTES_MAX) this.#from.resume();
    if (this.#held.length === 0) {
      if (this.#isEnded) this.#to.end();
    } else if (bytesPerS !== Infinity) this.#later();
  }

  #take(chunk: Buffer): void {
    if (this.#state.isSwallowing || this.#to.destroyed) return;
    const { delayMs } = this.#state;
    if (delayMs === 0) this.#add(chunk);
    else setTimeout(() => this.#add(chunk), delayMs).unref();
  }

  #add(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes >= HELD_BYTES_MAX) this.#from.pause();
    if (this.#state.bytesPerS === Infinity) this.pump();
    else this.#later();
  }

  #end(): void {
    if (this.#isEnded || this.#state.isSwallowing) return;
    this.#isEnded = true;
    this.pump();
  }

  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.pump();
    }, TICK_MS).unref();
  }
}
