/**
 * Levels of log lines, and which of them are logged now: as the option says, or for a while as an
 * operator wants.
 */

/** From the least to the most urgent. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
/** One of {@link LOG_LEVELS}. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** How long a level may be in force in place of the usual one, ms: what is forgotten ends. */
export const LEVEL_MS_MAX = 24 * 3_600_000;

/** What is in force. */
export interface LevelState {
  /** Least level that is logged now. */
  readonly level: LogLevel;
  /** The one that the process was started with. */
  readonly usual: LogLevel;
  /** Until the usual one is in force again, ms; 0 when it is. */
  readonly leftMs: number;
}

/** The least level of one log. */
export class LevelSwitch {
  readonly #usual: LogLevel;
  #level: LogLevel;
  #untilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(usual: LogLevel) {
    this.#usual = usual;
    this.#level = usual;
  }

  get state(): LevelState {
    const leftMs = Math.max(0, Math.ceil(this.#untilMs - performance.now()));
    return { level: this.#level, usual: this.#usual, leftMs };
  }

  /** Whether lines of a level are logged. */
  isOn(level: LogLevel): boolean {
    return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(this.#level);
  }

  /** A level for a while, 1 ms to {@link LEVEL_MS_MAX}; it takes the place of one before. */
  set(level: LogLevel, forMs: number): void {
    this.reset();
    const ms = Math.min(Math.max(1, forMs), LEVEL_MS_MAX);
    this.#level = level;
    this.#untilMs = performance.now() + ms;
    this.#timer = setTimeout(() => this.reset(), ms).unref();
  }

  /** The usual one again. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#level = this.#usual;
    this.#untilMs = 0;
  }
}
