/**
 * What a refused upgrade means: an HTTP status instead of a WebSocket.
 *
 * Pure. Policy refusals come as an ErrorFrame and a close; only an unknown Host or Origin and
 * floods are refused by status. Browsers do not tell it, and load nothing of this.
 */
import type { ConnectionEnd } from "./connection-end.ts";
import { TidegateError } from "./error.ts";

/** @param body as far as it was read. */
export function describeRefusal(status: number, body: string, cause: unknown): ConnectionEnd {
  // 408, 425 and 429 ask for another try; other 4xx will say the same again.
  const isForGood = status >= 400 && status < 500 && ![408, 425, 429].includes(status);
  const [, code] = /\b(ORIGIN_REFUSED|HOST_REFUSED)\b/.exec(body) ?? [];
  const text = `the upgrade was answered with HTTP ${status}: ${body.slice(0, 200)}`;
  const error = new TidegateError(code ?? "CONNECT_FAILED", text, {
    retryable: !isForGood,
    cause,
  });
  return { error, mayReconnect: !isForGood };
}
