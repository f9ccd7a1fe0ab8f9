/**
 * What the end of a socket means: which error it is, and whether to connect again.
 *
 * Pure. docs/protocol.md has the ranges of close codes, proto/errors.json the codes behind them.
 */
import { ERRORS, errorText, TidegateError } from "./error.ts";
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
  const { closeCode, httpStatus, reason, cause } = end;
  // 408, 425 and 429 ask for another try; other 4xx will say the same again.
  const isRefused = httpStatus >= 400 && httpStatus < 500 && ![408, 425, 429].includes(httpStatus);
  if (httpStatus > 0) {
    const [, code] = /\b(ORIGIN_REFUSED|HOST_REFUSED)\b/.exec(reason) ?? [];
    const text = `the upgrade was answered with HTTP ${httpStatus}: ${reason.slice(0, 200)}`;
    const error = new TidegateError(code ?? "CONNECT_FAILED", text, { retryable: !isRefused });
    return { error, mayReconnect: !isRefused };
  }
  if (said !== null) return { error: said, mayReconnect: mayReconnect(closeCode) };
  const why = reason || (cause === undefined ? `close code ${closeCode}` : errorText(cause));
  const error = new TidegateError(errorCodeOfClose(closeCode), `the connection ended: ${why}`, {
    retryable: mayReconnect(closeCode),
    cause,
  });
  return { error, mayReconnect: mayReconnect(closeCode) };
}

/**
 * Whether a client connects again after a close with this code.
 *
 * @param closeCode of the WebSocket close; 1005 and 1006 stand for none.
 */
function mayReconnect(closeCode: number): boolean {
  if (closeCode >= 4500 && closeCode <= 4999) return false;
  return ![1002, 1003, 1007, 1008, 1009].includes(closeCode);
}

/** The error code that has this close code, or CONNECT_FAILED for a break without one. */
function errorCodeOfClose(closeCode: number): string {
  for (const [code, { close }] of ERRORS) if (close === closeCode) return code;
  return "CONNECT_FAILED";
}
