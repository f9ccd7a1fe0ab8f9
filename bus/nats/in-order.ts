/**
 * Answers in the order of the questions, one queue per key, though the facts come in any order.
 */

/** Ready to be called in its turn. */
type Answer = () => void;

interface Place {
  answer: Answer | null;
}

export class InOrder {
  readonly #queues = new Map<string, Place[]>();

  /**
   * Takes the next place of a key's queue.
   *
   * @returns call it once with the answer, which is called when all places before it have theirs.
   */
  reserve(key: string): (answer: Answer) => void {
    const place: Place = { answer: null };
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, [place]);
    else queue.push(place);
    return (answer) => {
      place.answer = answer;
      this.#flush(key);
    };
  }

  #flush(key: string): void {
    const queue = this.#queues.get(key);
    if (queue === undefined) return;
    while (queue[0] !== undefined && queue[0].answer !== null) queue.shift()?.answer?.();
    if (queue.length === 0) this.#queues.delete(key);
  }
}
