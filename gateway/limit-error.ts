/**
 * A refusal by a quota: which limit, its value, and when to try again.
 */
import { CodedError, type ErrorCode } from "../proto/coded-error.ts";

export class LimitError extends CodedError {
  /** The limit as it is called, e.g. "connections-per-user". */
  readonly limit: string;
  readonly value: number;

  /**
   * @param value the limit's value, which is reached.
   * @param detail a sentence for people: who has how much of what.
   */
  constructor(code: ErrorCode, limit: string, value: number, detail: string) {
    super(code, detail);
    this.limit = limit;
    this.value = value;
  }
}
