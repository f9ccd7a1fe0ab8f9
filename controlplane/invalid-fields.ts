/**
 * Requests refused for their fields: every fault at once, so that a caller mends them in one go.
 *
 * status.ts turns the list into google.rpc.BadRequest.
 */
import { CodedError, type ErrorCode } from "../proto/coded-error.ts";

/** One fault of a request. */
export interface FieldViolation {
  /** Path as in the .proto file, e.g. "room_class.history_count_max". */
  readonly field: string;
  /** What is wrong, with value and bound. */
  readonly description: string;
}

/** Faults told at once: the answer must fit the 8 kB that clients allow for trailers. */
export const VIOLATION_COUNT_MAX = 16;
/** Characters of a caller's value that are repeated in an error. */
const shownCharsMax = 60;

/** A refused request; `violations` has 1 to VIOLATION_COUNT_MAX faults. */
export class InvalidFieldsError extends CodedError {
  readonly violations: readonly FieldViolation[];

  constructor(violations: readonly FieldViolation[], code: ErrorCode = "REQUEST_INVALID") {
    super(code, violations.map(({ field, description }) => `${field}: ${description}`).join("; "));
    this.violations = violations;
  }
}

/**
 * Refuses a request that has faults; the first VIOLATION_COUNT_MAX are told.
 *
 * @throws {InvalidFieldsError} `REQUEST_INVALID` when there is one or more.
 */
export function refuseInvalidFields(violations: readonly FieldViolation[]): void {
  if (violations.length === 0) return;
  throw new InvalidFieldsError(violations.slice(0, VIOLATION_COUNT_MAX));
}

/** A caller's text as it may stand in an error: quoted, escaped and cut. */
export function shown(text: string): string {
  const isLong = text.length > shownCharsMax;
  return JSON.stringify(isLong ? `${text.slice(0, shownCharsMax)}…` : text);
}
