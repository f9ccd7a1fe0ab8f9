/**
 * `tidegatectl pub --trace`: asks for a trace of each message, and tells its id.
 *
 * No OpenTelemetry: a span of ours would be seen by nobody, so the frame alone asks.
 */
import { randomBytes } from "node:crypto";
import type { TraceHooks } from "../sdk/typescript/index.ts";

/**
 * Hooks for the SDK.
 *
 * @param tell gets the trace of each acknowledged message; empty: the gateway does not trace it.
 */
export function traceEach(tell: (traceId: string) => void): TraceHooks {
  return {
    publish: async (_room, _payloadBytes, send) => {
      const [traceId, spanId] = [randomBytes(16).toString("hex"), randomBytes(8).toString("hex")];
      const result = await send(`00-${traceId}-${spanId}-01`);
      tell(result.traceId);
      return result;
    },
    onArrival() {},
    onTaken() {},
  };
}
