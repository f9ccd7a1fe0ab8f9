/**
 * `tidegatectl trace`: one message, followed over all processes.
 */
import { TraceServiceClient } from "../proto/gen/tidegate/control/v1/trace_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure } from "./failure.ts";
import { formatOutput } from "./output.ts";
import { spanText, type TraceText, timeLine } from "./trace-text.ts";

/** Characters of a line where nobody says how many there are. */
const WIDTH_DEFAULT = 100;

/** `trace`. @param id 32 hex digits, or a whole traceparent. */
export async function showTrace(
  context: Context,
  target: Target,
  id: string,
  format: OutputFormat,
): Promise<void> {
  const traceId = traceIdOf(id);
  await withClient(target.control, TraceServiceClient, async (client) => {
    const answer = await call(client, client.getTrace, { name: `traces/${traceId}` });
    const { hasMore, silentGateways } = answer;
    const trace = { traceId, spans: answer.spans.map(spanText), hasMore, silentGateways };
    if (trace.spans.length === 0) throw nothingFound(silentGateways);
    const columns = "columns" in context.stdout ? Number(context.stdout.columns) : 0;
    const canvas = { width: columns || WIDTH_DEFAULT, hasColours: context.isTerminal };
    const draw = (value: TraceText) => timeLine(value, canvas);
    await print(context, formatOutput<TraceText>(format, trace, draw));
  });
}

/** The trace of a traceparent as frames and logs have it; what is none is left to be judged. */
function traceIdOf(text: string): string {
  const [, traceId = text] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/.exec(text) ?? [];
  return traceId.toLowerCase();
}

function nothingFound(silentGateways: readonly string[]): Failure {
  const names = silentGateways.map((name) => name.slice("gateways/".length)).join(", ");
  const text = `nothing of it is where was looked, and these did not answer: ${names}`;
  return new Failure("UNAVAILABLE", text, { fix: "Repeat the command." });
}
