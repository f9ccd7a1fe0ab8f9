/**
 * Exit codes: what a script can branch on, one table for code, help and docs/cli.md.
 */
import { ERRORS, type ErrorCode } from "../proto/gen/errors.ts";

export const ExitCode = {
  OK: 0,
  FAILED: 1,
  USAGE: 2,
  UNREACHABLE: 3,
  REFUSED: 4,
  NOT_FOUND: 5,
  CONFLICT: 6,
  UNKNOWN_OUTCOME: 7,
  INTERRUPTED: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What each exit code means, for people. */
export const EXIT_CODE_MEANINGS: Readonly<Record<ExitCode, string>> = {
  [ExitCode.OK]: "done",
  [ExitCode.FAILED]: "failed for another reason than those below",
  [ExitCode.USAGE]: "wrong command line, file or value; nothing was done",
  [ExitCode.UNREACHABLE]: "gateway or control plane not reachable, or not available now",
  [ExitCode.REFUSED]: "refused: token or permission",
  [ExitCode.NOT_FOUND]: "no such class, gateway, shard or slot",
  [ExitCode.CONFLICT]: "conflict with what is there: changed since, exists, immutable, not durable",
  [ExitCode.UNKNOWN_OUTCOME]: "unconfirmed: a publish may or may not have been stored",
  [ExitCode.INTERRUPTED]: "interrupted by Ctrl-C (SIGINT); 143 by SIGTERM",
};

/** The exit code for an error code; codes that this version does not know are FAILED. */
export function exitCodeOf(code: string): ExitCode {
  if (code === "OUTCOME_UNKNOWN") return ExitCode.UNKNOWN_OUTCOME;
  if (!Object.hasOwn(ERRORS, code)) return ExitCode.FAILED;
  switch (ERRORS[code as ErrorCode].grpc) {
    case "INVALID_ARGUMENT":
      return ExitCode.USAGE;
    case "UNAVAILABLE":
      return ExitCode.UNREACHABLE;
    case "PERMISSION_DENIED":
    case "UNAUTHENTICATED":
      return ExitCode.REFUSED;
    case "NOT_FOUND":
      return ExitCode.NOT_FOUND;
    case "ABORTED":
    case "ALREADY_EXISTS":
    case "FAILED_PRECONDITION":
      return ExitCode.CONFLICT;
    default:
      return ExitCode.FAILED;
  }
}
