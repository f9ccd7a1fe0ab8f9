/**
 * A bounded number of things at once; the rest wait in the order they came.
 */
export class Slots {
  #freeCount: number;
  readonly #waiting: (() => void)[] = [];

  /** @param count things at once, 1 or more. */
  constructor(count: number) {
    this.#freeCount = count;
  }

  /** Resolves when a slot is held; call {@link release} once. */
  acquire(): Promise<void> {
    if (this.#freeCount > 0) {
      this.#freeCount -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#freeCount += 1;
    else next();
  }
}
