/**
 * The one error type: every promise of the SDK that rejects, rejects with it.
 *
 * Codes come from proto/errors.json, so one table says for every language what to do about each. A
 * newer gateway may send a code this version does not know: then `fix` is empty and the gateway's
 * own word on retrying counts. Browsers load no texts of `fix`: they were a tenth of the bundle.
 */
import { FIXES } from "#fixes";
import { ERROR_LINES, type ErrorCode } from "./gen/errors.ts";

export type { ErrorCode };

/** What a code means for the connection and the retry. */
export interface ErrorInfo {
  /** Whether a failed request can be repeated: never, as it is, or after connecting again. */
  readonly retry: "no" | "same" | "reconnect";
  /** WebSocket close code; 0 when the connection stays open. */
  readonly close: number;
  /** Least wait before the retry, milliseconds. */
  readonly retryAfterMs: number;
}

/** By code; those that are not here are not worth a retry, and leave the connection open. */
export const ERRORS: ReadonlyMap<string, ErrorInfo> = new Map(
  ERROR_LINES.trim()
    .split(/\n\s*/)
    .map((line) => {
      const [code = "", retry, close = 0, retryAfterMs = 0] = line.split(" ");
      return [
        code,
        { retry: retry as ErrorInfo["retry"], close: +close, retryAfterMs: +retryAfterMs },
      ];
    }),
);

/** What the gateway said beyond the code, or what was caught. */
export interface TidegateErrorOptions {
  /** Whether the same request can succeed later; default: as the table says. */
  readonly retryable?: boolean;
  /** Least wait before the retry, milliseconds; default: as the table says. */
  readonly retryAfterMs?: number;
  /** The quota that refused, e.g. "connections-per-user", and its value. */
  readonly limit?: string;
  readonly limitValue?: number;
  readonly cause?: unknown;
}

export class TidegateError extends Error {
  override readonly name = "TidegateError";
  /** Stable; docs/errors.md lists all. */
  readonly code: ErrorCode | (string & {});
  /** Whether the same request can succeed later, as it is or after connecting again. */
  readonly retryable: boolean;
  /** Wait at least this long before the retry, milliseconds. */
  readonly retryAfterMs: number;
  /** The quota that refused, e.g. "connections-per-user" or "room-members"; empty if none did. */
  readonly limit: string;
  /** Its value; 0 if none refused. */
  readonly limitValue: number;
  /** A sentence: what to do about it. Empty in browsers, and for codes of newer gateways. */
  readonly fix: string;

  /** @param detail a sentence for people: the value, the bound, what happened. */
  constructor(code: ErrorCode | (string & {}), detail: string, options: TidegateErrorOptions = {}) {
    super(`[${code}] ${detail}`, "cause" in options ? { cause: options.cause } : undefined);
    const { retry = "no", retryAfterMs = 0 } = ERRORS.get(code) ?? {};
    this.code = code;
    this.retryable = options.retryable ?? retry !== "no";
    this.retryAfterMs = options.retryAfterMs || retryAfterMs;
    this.limit = options.limit ?? "";
    this.limitValue = options.limitValue ?? 0;
    this.fix = FIXES.get(code) ?? "";
  }
}

/** The text of anything thrown. */
export function errorText(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
