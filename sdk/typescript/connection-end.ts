/**
 * What the end of a socket means: which error it is, and whether to connect again.
 *
 * Pure. docs/protocol.md has the ranges of close codes, proto/errors.json the codes behind them.
 */
import { ERRORS, errorText, isFinalClose, TidegateError } from "./error.ts";
import type { SocketEnd } from "./socket.ts";

/** Why a connection ended. */
export interface ConnectionEnd {
  readonly error: TidegateError;
  /** False: the same would happen again. */
  readonly mayReconnect: boolean;
}

/**
 * What a socket's end means: which error, and whether to connect again.
 *
 * @param said the last ErrorFrame about the whole connection, if one came.
 */
export function decideEnd(end: SocketEnd, said: TidegateError | null): ConnectionEnd {
  const { closeCode, reason, cause } = end;
  const mayReconnect = !isFinalClose(closeCode);
  const why = reason || (cause === undefined ? `close code ${closeCode}` : errorText(cause));
  const error =
    said ??
    new TidegateError(errorCodeOfClose(closeCode), `the connection ended: ${why}`, {
      retryable: mayReconnect,
      cause,
    });
  return { error, mayReconnect };
}

/** The error code that has this close code, or CONNECT_FAILED for a break without one. */
function errorCodeOfClose(closeCode: number): string {
  for (const [code, { close }] of ERRORS) if (close === closeCode) return code;
  return "CONNECT_FAILED";
}
