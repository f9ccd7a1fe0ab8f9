/**
 * The one error type: every promise of the SDK that rejects, rejects with it.
 *
 * Codes come from proto/errors.json, so one table says for every language what to do about each. A
 * newer gateway may send a code this version does not know: then `fix` is empty and the gateway's
 * own word on retrying counts. Browsers load no texts of `fix`: they were a tenth of the bundle.
 */
import { FIXES } from "#fixes";
import { ERROR_LINES, type ErrorCode } from "./gen/errors.ts";
import type { VersionMismatch } from "./version.ts";

export type { ErrorCode };

/** What a code means for the connection and the retry. */
export interface ErrorInfo {
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
      const [code = "", close = 0, retryAfterMs = 0] = line.split(" ");
      return [code, { close: +close, retryAfterMs: +retryAfterMs }];
    }),
);

/** Whether a code is worth another try. */
export function isRetryable(code: string): boolean {
  const info = ERRORS.get(code);
  return info !== undefined && !isFinalClose(info.close);
}

/** Whether a connection closed so is not opened again: the same would happen. */
export function isFinalClose(closeCode: number): boolean {
  if (closeCode >= 4500 && closeCode <= 4999) return true;
  return [1002, 1003, 1007, 1008, 1009].includes(closeCode);
}

/** What the gateway said beyond the code, or what was caught. */
export interface TidegateErrorOptions {
  /** Whether the same request can succeed later; default: as the table says. */
  readonly retryable?: boolean;
  /** Least wait before the retry, milliseconds; default: as the table says. */
  readonly retryAfterMs?: number;
  /** The quota that refused, e.g. "connections-per-user", and its value. */
  readonly limit?: string;
  readonly limitValue?: number;
  /** The trace of a publish. */
  readonly traceId?: string;
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
  /** Of a publish that the gateway failed: its trace, to quote to operators; empty for none. */
  readonly traceId: string;
  /** Of `VERSION_REFUSED`: which build is wanted, and where it is. */
  versionMismatch: VersionMismatch | null = null;
  /** A sentence: what to do about it. Empty in browsers, and for codes of newer gateways. */
  readonly fix: string;

  /** @param detail a sentence for people: the value, the bound, what happened. */
  constructor(code: ErrorCode | (string & {}), detail: string, options: TidegateErrorOptions = {}) {
    super(`[${code}] ${detail}`, options);
    this.code = code;
    this.retryable = options.retryable ?? isRetryable(code);
    this.retryAfterMs = options.retryAfterMs || (ERRORS.get(code)?.retryAfterMs ?? 0);
    this.limit = options.limit ?? "";
    this.limitValue = options.limitValue ?? 0;
    this.traceId = options.traceId ?? "";
    this.fix = FIXES.get(code) ?? "";
  }
}

/** The text of anything thrown. */
export function errorText(reason: unknown): string {
  return reason instanceof Error ? reason.message : String(reason);
}
