/**
 * Answers in the order of the questions, one queue per key, though the facts come in any order; and
 * what stands behind a failure knows of it.
 */

/**
 * Ready to be called in its turn.
 *
 * @param hasFailed whether one before it has failed since the queue was empty.
 * @returns whether it has failed.
 */
type Answer = (hasFailed: boolean) => boolean;

interface Place {
  answer: Answer | null;
}

interface Queue {
  readonly places: Place[];
  hasFailed: boolean;
}

export class InOrder {
  readonly #queues = new Map<string, Queue>();

  /**
   * Takes the next place of a key's queue.
   *
   * @returns call it once with the answer, which is called when all places before it have theirs.
   */
  reserve(key: string): (answer: Answer) => void {
    const place: Place = { answer: null };
    const queue = this.#queues.get(key);
    if (queue === undefined) this.#queues.set(key, { places: [place], hasFailed: false });
    else queue.places.push(place);
    return (answer) => {
      place.answer = answer;
      this.#flush(key);
    };
  }

  #flush(key: string): void {
    const queue = this.#queues.get(key);
    if (queue === undefined) return;
    const { places } = queue;
    for (let answer = places[0]?.answer; answer; answer = places[0]?.answer) {
      places.shift();
      if (answer(queue.hasFailed)) queue.hasFailed = true;
    }
    if (places.length === 0) this.#queues.delete(key);
  }
}
