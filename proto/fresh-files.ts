/**
 * Files that are read again when they change: keys and certificates, which are renewed while the
 * process runs.
 *
 * They are looked at every 10 s, as that works on every file system, also where a whole folder is
 * swapped (Kubernetes). What can not be used is told once, and the last good one stays in force.
 */
import { readFileSync, statSync } from "node:fs";
import { CodedError } from "./coded-error.ts";

/** What is told of changes; a pino logger fits. */
interface Log {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** How often files are looked at, ms. */
const LOOK_MS = 10_000;

/** What files hold together. */
export class FreshFiles<T> {
  readonly #files: readonly string[];
  readonly #parse: (texts: readonly string[]) => T;
  readonly #log: Log;
  readonly #listeners: ((value: T) => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #stamp: string;
  #value: T;

  /**
   * Reads them.
   *
   * @param files paths, each of which must be readable.
   * @param parse their texts; throws CodedError when they can not be used, also together.
   * @throws {CodedError} `OPTION_INVALID` naming the file, and what `parse` throws.
   */
  constructor(files: readonly string[], parse: (texts: readonly string[]) => T, log: Log) {
    this.#files = files;
    this.#parse = parse;
    this.#log = log;
    this.#stamp = this.#look();
    this.#value = parse(this.#read());
    this.#timer = setInterval(() => this.refresh(), LOOK_MS).unref();
  }

  /** What they hold, by the last look that found something good. */
  get value(): T {
    return this.#value;
  }

  /** Calls `listener` with each new value from now on. */
  follow(listener: (value: T) => void): void {
    this.#listeners.push(listener);
  }

  /** Looks now; for tests, and for the timer. */
  refresh(): void {
    const stamp = this.#look();
    if (stamp === this.#stamp) return;
    this.#stamp = stamp; // what is wrong is told once; the next change is looked at again
    const files = this.#files;
    try {
      this.#value = this.#parse(this.#read());
    } catch (reason) {
      const { detail } = CodedError.from(reason);
      this.#log.error({ files, detail }, "changed files can not be used; the last ones stay");
      return;
    }
    this.#log.info({ files }, "changed files are in force");
    for (const listener of this.#listeners) listener(this.#value);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #read(): string[] {
    return this.#files.map((file) => {
      try {
        return readFileSync(file, "utf8");
      } catch (error) {
        throw new CodedError("OPTION_INVALID", `${file} can not be read`, error);
      }
    });
  }

  /** Changes when a file does. */
  #look(): string {
    const stamps = this.#files.map((file) => {
      const stat = statSync(file, { throwIfNoEntry: false });
      return stat === undefined ? "none" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
    });
    return stamps.join(", ");
  }
}
