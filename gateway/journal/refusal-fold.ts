/**
 * The same refusal again and again, written down once and then once a second with a count: a client
 * that tries in a loop must not push out what others had to say.
 */
import type { JournalNote } from "../../bus/journal.ts";
import type { JournalRefused } from "../../proto/gen/tidegate/bus/v1/journal.ts";

/** Repetitions are gathered for so long, ms. */
export const FOLD_MS = 1000;
/** Different refusals in that time; others are written as they come, bounded by the journal. */
const FOLD_COUNT_MAX = 1000;

/** Whom and what it is about. */
export type RefusalAbout = Required<Pick<JournalNote, "tenant" | "user" | "room" | "connection">>;

export class RefusalFold {
  readonly #write: (note: JournalNote) => void;
  readonly #seen = new Map<string, { about: RefusalAbout; last: JournalRefused; count: number }>();
  #timer: NodeJS.Timeout | null = null;

  constructor(write: (note: JournalNote) => void) {
    this.#write = write;
  }

  /** The first is written at once. */
  add(about: RefusalAbout, refused: JournalRefused): void {
    const { tenant, user, room } = about;
    const key = [tenant, user, room, refused.act, refused.code].join("\0");
    const seen = this.#seen.get(key);
    if (seen !== undefined) {
      seen.count += 1;
      seen.about = about;
      seen.last = refused;
      return;
    }
    this.#note(about, refused);
    if (this.#seen.size >= FOLD_COUNT_MAX) return;
    this.#seen.set(key, { about, last: refused, count: 0 });
    this.#timer ??= setTimeout(() => this.#end(), FOLD_MS).unref();
  }

  /** Writes what is gathered. */
  close(): void {
    this.#end();
  }

  #end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const { about, last, count } of this.#seen.values()) {
      if (count > 0) this.#note(about, { ...last, count });
    }
    this.#seen.clear();
  }

  #note(about: RefusalAbout, value: JournalRefused): void {
    this.#write({ ...about, what: { $case: "refused", value } });
  }
}
