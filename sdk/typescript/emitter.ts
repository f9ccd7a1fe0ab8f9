/**
 * Those who want to be told of something.
 */

/** Listeners are told in a later turn: user code never runs while frames are read. */
export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  /** Returns how to stop. */
  on(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(value: T): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener(value));
  }
}
