/**
 * The one class of expected errors: a code of proto/errors.json, a sentence, and the cause.
 *
 * Each boundary maps it once: gateway/reply.ts to ErrorFrame and close code, controlplane/status.ts
 * to a gRPC status, main.ts to an exit. Programmer errors are not this: they assert.
 */
import { ERRORS, type ErrorCode, type ErrorInfo } from "./gen/errors.ts";

export type { ErrorCode };

export class CodedError extends Error {
  override readonly name = "CodedError";
  /** Key of proto/errors.json: gRPC status, close code, retry advice. */
  readonly code: ErrorCode;
  /** The sentence alone, without the code that leads `message`. */
  readonly detail: string;

  /**
   * @param code what went wrong, stable.
   * @param detail a sentence for people: the value, the bound, and what to do.
   * @param cause what was caught, if anything.
   */
  constructor(code: ErrorCode, detail: string, cause?: unknown) {
    super(`[${code}] ${detail}`, { cause }); // the code leads: one grep of any log finds it
    this.code = code;
    this.detail = detail;
  }

  /** Close code, retry advice and gRPC status of this error. */
  get info(): ErrorInfo {
    return ERRORS[this.code];
  }

  /**
   * Converts anything thrown: a CodedError stays, all else becomes INTERNAL with it as the cause.
   */
  static from(reason: unknown): CodedError {
    if (reason instanceof CodedError) return reason;
    const text = reason instanceof Error ? reason.message : String(reason);
    return new CodedError("INTERNAL", text, reason);
  }
}
