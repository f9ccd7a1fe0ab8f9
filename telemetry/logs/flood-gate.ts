/**
 * Which lines of a flood are written: the first of each kind in a second, then one that says how
 * many there were more.
 *
 * Pure; the time is an argument. Nothing is lost silently: the lines that are written and the
 * counts in them add up to all lines.
 */
import type { LogLevel } from "./log-level.ts";

/** Lines of a kind that are written in a second; the rest of them is one line with a count. */
export const SAME_LINES_MAX = 10;
/** That second, ms. */
export const WINDOW_MS = 1000;
/** Kinds told apart in a second; lines beyond share one kind for each level. */
export const KIND_COUNT_MAX = 200;
/** Text of lines that share a kind. */
export const OTHER_TEXT = "other lines";

/** A line. */
export interface Line {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: object;
}

/** Lines of a kind that were not written. */
export interface Collapsed extends Line {
  /** How many; text and fields are those of the last one. */
  readonly count: number;
}

/** A kind in its second. */
interface Window {
  readonly beganMs: number;
  written: number;
  held: number;
  last: Line;
}

export class FloodGate {
  readonly #windows = new Map<string, Window>();

  /** Whether nothing is remembered, so that {@link sweep} has nothing to do. */
  get isIdle(): boolean {
    return this.#windows.size === 0;
  }

  /** Whether a line is written now; else it is counted. */
  judge(line: Line, nowMs: number): boolean {
    let key = kindOf(line);
    let window = this.#windows.get(key);
    if (window === undefined && this.#windows.size >= KIND_COUNT_MAX) {
      key = `${line.level} other`;
      window = this.#windows.get(key);
      line = { ...line, text: OTHER_TEXT };
    }
    if (window === undefined) {
      this.#windows.set(key, { beganMs: nowMs, written: 1, held: 0, last: line });
      return true;
    }
    if (window.written < SAME_LINES_MAX) {
      window.written += 1;
      return true;
    }
    window.held += 1;
    window.last = line;
    return false;
  }

  /** Kinds whose second is over, with what was counted. @param nowMs Infinity ends all seconds. */
  sweep(nowMs: number): Collapsed[] {
    const over: Collapsed[] = [];
    for (const [key, { beganMs, held, last }] of this.#windows) {
      if (nowMs - beganMs < WINDOW_MS) continue;
      this.#windows.delete(key);
      if (held > 0) over.push({ ...last, count: held });
    }
    return over;
  }
}

/** Lines of one level, text and error code are of a kind, whomever they are about. */
function kindOf({ level, text, fields }: Line): string {
  const { code, error } = fields as { code?: unknown; error?: unknown };
  const errorCode = (error as { code?: unknown } | null | undefined)?.code;
  return `${level} ${text} ${String(code ?? errorCode ?? "")}`;
}
