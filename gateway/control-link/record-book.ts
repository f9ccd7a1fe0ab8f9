/**
 * Which revision of each record is here, by which way it came, and which are refused.
 *
 * Holds state; reads no clock and does no I/O.
 */
import type { KeyValueChange } from "../../bus/key-value.ts";

/**
 * Deleted keys remembered, so that an older record of theirs, by the slower way, is known to be
 * old. Beyond it the oldest are forgotten: the ways are seconds apart, not 10 000 deletions.
 */
const DELETED_COUNT_MAX = 10_000;

interface Noted {
  readonly revision: number;
  readonly isFromBus: boolean;
  readonly isDeleted: boolean;
  /** Why it is refused; null when it is applied. */
  readonly reason: string | null;
}

/** The records of one gateway. */
export class RecordBook {
  readonly #records = new Map<string, Noted>();
  readonly #deleted = new Set<string>();
  readonly #refused = new Set<string>();

  /** A key whose record is refused, and why; empty when there is none. */
  get trouble(): string {
    for (const key of this.#refused) return `${key}: ${this.#records.get(key)?.reason ?? ""}`;
    return "";
  }

  /**
   * Whether a change is newer than what is here. The bus's own watch is in order for each key, so
   * when it goes back behind itself, somebody has deleted the bucket and revisions begin again.
   */
  isNew({ key, revision }: KeyValueChange, isFromBus: boolean): boolean {
    const known = this.#records.get(key);
    if (known === undefined || revision > known.revision) return true;
    return isFromBus && known.isFromBus && revision < known.revision;
  }

  /** Notes a change that was taken. @param reason why it is refused, or null. */
  note(change: KeyValueChange, isFromBus: boolean, reason: string | null): void {
    const { key, value, revision } = change;
    const isDeleted = value === null;
    this.#records.set(key, { revision, isFromBus, isDeleted, reason });
    this.#deleted.delete(key);
    if (reason === null) this.#refused.delete(key);
    else this.#refused.add(key);
    if (!isDeleted) return;
    this.#deleted.add(key);
    if (this.#deleted.size <= DELETED_COUNT_MAX) return;
    for (const oldest of this.#deleted) {
      this.#deleted.delete(oldest);
      this.#records.delete(oldest);
      return;
    }
  }

  /** Why this revision of a key's record is refused; null when it is not. */
  refusal(key: string, revision: number): string | null {
    const known = this.#records.get(key);
    return known?.revision === revision ? known.reason : null;
  }

  /** Keys with a record from before `version` that are not in `keys`, which are all there are. */
  missing(keys: ReadonlySet<string>, version: number): string[] {
    const found: string[] = [];
    for (const [key, { revision, isDeleted }] of this.#records) {
      if (!isDeleted && revision < version && !keys.has(key)) found.push(key);
    }
    return found;
  }
}
