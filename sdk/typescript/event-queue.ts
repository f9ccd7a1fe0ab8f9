/**
 * A bounded queue between the read loop and the application: at most so many items, so many bytes.
 *
 * Pure. It refuses what does not fit instead of dropping what is in it, so that the room can resume
 * exactly after its last item. One item always fits, or a large message could never be delivered.
 */
import { Fifo } from "./fifo.ts";

/** Items and their bytes, within both bounds. */
export class EventQueue<T> {
  readonly #countMax: number;
  readonly #bytesMax: number;
  readonly #items = new Fifo<{ readonly item: T; readonly bytes: number }>();
  #bytes = 0;

  /**
   * @param countMax items, 1 or more.
   * @param bytesMax bytes, 1 or more.
   */
  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#items.count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether at most a quarter of either bound is used: the time to ask for more. */
  get isLow(): boolean {
    return this.count * 4 <= this.#countMax && this.#bytes * 4 <= this.#bytesMax;
  }

  /** Whether at least half of either bound is used: the time to read slower. */
  get isHigh(): boolean {
    return this.count * 2 >= this.#countMax || this.#bytes * 2 >= this.#bytesMax;
  }

  /** Puts an item last and returns true, or leaves the queue as it is and returns false. */
  offer(item: T, bytes: number): boolean {
    const isFull = this.count >= this.#countMax || this.#bytes + bytes > this.#bytesMax;
    if (isFull && this.count > 0) return false;
    this.force(item, bytes);
    return true;
  }

  /** Puts an item last whatever the bounds; for the one note that says why nothing more follows. */
  force(item: T, bytes: number): void {
    this.#items.put({ item, bytes });
    this.#bytes += bytes;
  }

  /** Takes the oldest item, or undefined. */
  take(): T | undefined {
    const first = this.#items.take();
    if (first === undefined) return undefined;
    this.#bytes -= first.bytes;
    return first.item;
  }

  /** Empties the queue. */
  clear(): void {
    this.#items.takeAll();
    this.#bytes = 0;
  }
}
