/**
 * What tokens are good by, and since when some of it is not: a key that the issuer has taken out of
 * its set, a token that is no more in its file.
 *
 * What is withdrawn ends tokens as if they had ended at that moment; token-watch.ts tells and
 * closes the connections.
 */

/**
 * Anchors that count now. An anchor is a short text that holds no secret: the print of a key
 * (JwtKey), the hash of a token in a file.
 */
export interface Anchors {
  has(anchor: string): boolean;
  /** Calls `listener` whenever there may be other ones. */
  follow(listener: () => void): void;
}

/** Withdrawn ones that are remembered; beyond it the first counts as withdrawn just now. */
export const WITHDRAWN_COUNT_MAX = 10_000;

/** Since when anchors are withdrawn, as one gateway has seen it. */
export class Withdrawals {
  readonly #anchors: Anchors | null;
  readonly #sinceS = new Map<string, number>();

  /** @param anchors null: nothing is ever withdrawn. */
  constructor(anchors: Anchors | null) {
    this.#anchors = anchors;
  }

  /** @param listener as of {@link Anchors.follow}. */
  follow(listener: () => void): void {
    this.#anchors?.follow(listener);
  }

  /** Since when it is withdrawn, seconds since 1970-01-01 UTC; 0: it is not. */
  sinceS(anchor: string, nowS: number): number {
    if (this.#anchors === null || anchor === "" || this.#anchors.has(anchor)) {
      this.#sinceS.delete(anchor);
      return 0;
    }
    const known = this.#sinceS.get(anchor);
    if (known !== undefined) return known;
    this.#sinceS.set(anchor, nowS);
    if (this.#sinceS.size > WITHDRAWN_COUNT_MAX) {
      for (const first of this.#sinceS.keys()) {
        this.#sinceS.delete(first);
        break;
      }
    }
    return nowS;
  }
}
