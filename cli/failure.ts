/**
 * Failures, and how they are told: what and why on the first line, how to mend it on the second.
 */
import { ERRORS, type ErrorCode } from "../proto/gen/errors.ts";
import type { TidegateError } from "../sdk/typescript/index.ts";
import { type ExitCode, exitCodeOf } from "./exit-code.ts";

/** An expected failure of a command. */
export class Failure extends Error {
  /** Key of proto/errors.json, or what a newer server said. */
  readonly code: string;
  /** What to do, a sentence; empty when nobody knows. */
  readonly fix: string;

  /** @param options.fix more exact than that of proto/errors.json. */
  constructor(code: string, detail: string, options: { fix?: string; cause?: unknown } = {}) {
    super(detail, { cause: options.cause });
    this.code = code;
    const row = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : null;
    this.fix = options.fix ?? row?.fix ?? "";
  }
}

/** A mistake on the command line or in a file; ends with exit code 2. */
export function usageError(detail: string, fix = "See --help.", cause?: unknown): Failure {
  return new Failure("OPTION_INVALID", detail, { fix, cause });
}

/** Anything thrown, told in one or two lines without a stack, and its exit code. */
export function describeFailure(reason: unknown): { text: string; exitCode: ExitCode } {
  if (isSdkError(reason)) {
    const detail = reason.message.replace(`[${reason.code}] `, "");
    return told(reason.code, detail, reason.fix);
  }
  if (reason instanceof Failure) return told(reason.code, reason.message, reason.fix);
  const detail = reason instanceof Error ? reason.message : String(reason);
  return told("INTERNAL", detail, "A fault of tidegatectl: TIDEGATE_DEBUG=1 shows where.");
}

/** By name, because help and class commands should not pay for loading the SDK. */
function isSdkError(reason: unknown): reason is TidegateError {
  return reason instanceof Error && reason.name === "TidegateError";
}

function told(code: string, detail: string, fix: string): { text: string; exitCode: ExitCode } {
  const first = `tidegatectl: ${detail} [${code}]\n`;
  return { text: fix === "" ? first : `${first}  ${fix}\n`, exitCode: exitCodeOf(code) };
}
