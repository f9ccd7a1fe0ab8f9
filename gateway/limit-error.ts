/**
 * A refusal by a quota: which limit, its value, and when to try again.
 */
import { CodedError, type ErrorCode } from "../proto/coded-error.ts";

export class LimitError extends CodedError {
  /** The limit as it is called, e.g. "connections-per-user". */
  readonly limit: string;
  readonly value: number;
  /** When to try again, ms from now. */
  readonly retryAfterMs: number;

  /**
   * @param value the limit's value, which is reached.
   * @param detail a sentence for people: who has how much of what.
   * @param retryAfterMs default: that of the code.
   */
  constructor(
    code: ErrorCode,
    limit: string,
    value: number,
    detail: string,
    retryAfterMs?: number,
  ) {
    super(code, detail);
    this.limit = limit;
    this.value = value;
    this.retryAfterMs = retryAfterMs ?? this.info.retryAfterMs;
  }
}
