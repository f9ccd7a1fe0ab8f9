/**
 * The log of a process: levels that change while it runs, floods collapsed, lines counted.
 *
 * How a line is written, as JSON or text, is given; open-log.ts has both.
 */
import { FloodGate, type Line, WINDOW_MS } from "./flood-gate.ts";
import { type LevelState, LevelSwitch, type LogLevel } from "./log-level.ts";

/** Lines since the start. */
export interface LogCounters {
  /** By level, those that were asked for; a collapsed one too. */
  readonly lines: Readonly<Record<LogLevel, number>>;
  /** Those of them that are only a count in another line. */
  readonly collapsed: number;
}

/** Writes a line, before it returns. */
export type WriteLine = (level: LogLevel, fields: object, text: string) => void;

/** A logger of fields and a sentence; the parts' own Log types are parts of it. */
export class ProcessLog {
  readonly #write: WriteLine;
  readonly #levels: LevelSwitch;
  readonly #gate = new FloodGate();
  readonly #lines: Record<LogLevel, number> = { debug: 0, info: 0, warn: 0, error: 0 };
  #collapsed = 0;
  #timer: NodeJS.Timeout | null = null;

  /** @param level the usual one. */
  constructor(write: WriteLine, level: LogLevel) {
    this.#write = write;
    this.#levels = new LevelSwitch(level);
  }

  debug(fields: object, text: string): void {
    this.#log("debug", fields, text);
  }

  info(fields: object, text: string): void {
    this.#log("info", fields, text);
  }

  warn(fields: object, text: string): void {
    this.#log("warn", fields, text);
  }

  error(fields: object, text: string): void {
    this.#log("error", fields, text);
  }

  get counters(): LogCounters {
    return { lines: this.#lines, collapsed: this.#collapsed };
  }

  get level(): LevelState {
    return this.#levels.state;
  }

  /** Another level for a while, or the usual one again (null). */
  setLevel(level: LogLevel | null, forMs: number): void {
    const before = this.#levels.state.level;
    if (level === null) this.#levels.reset();
    else this.#levels.set(level, forMs);
    const now = this.#levels.state;
    // Whatever is logged, this is: who reads shall know why lines come, or do not.
    const fields = { least: now.level, before, usual: now.usual, forMs: now.leftMs };
    this.#write("info", fields, "the level of the log has changed");
  }

  /** Writes the counts that are due later: before the process ends. */
  flush(): void {
    this.#sweep(Number.POSITIVE_INFINITY);
  }

  #log(level: LogLevel, fields: object, text: string): void {
    if (!this.#levels.isOn(level)) return;
    this.#lines[level] += 1;
    const line: Line = { level, fields, text };
    if (this.#gate.judge(line, performance.now())) this.#write(level, fields, text);
    else this.#collapsed += 1;
    this.#timer ??= setTimeout(() => this.#onTime(), WINDOW_MS).unref();
  }

  #onTime(): void {
    this.#timer = null;
    this.#sweep(performance.now());
    if (!this.#gate.isIdle) this.#timer = setTimeout(() => this.#onTime(), WINDOW_MS).unref();
  }

  #sweep(nowMs: number): void {
    for (const { level, fields, text, count } of this.#gate.sweep(nowMs)) {
      this.#write(level, { ...fields, repeated: count }, text);
    }
  }
}
