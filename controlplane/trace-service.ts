/**
 * TraceService: what processes have recorded of one message, put together.
 *
 * Asked of the processes' memory, so it works without a collector, and for as long as they hold it.
 */
import type { Server } from "@grpc/grpc-js";
import type { Bus } from "../bus/bus.ts";
import { CodedError } from "../proto/coded-error.ts";
import { TraceAnswer, TraceQuestion } from "../proto/gen/tidegate/bus/v1/trace_question.ts";
import type { Span } from "../proto/gen/tidegate/control/v1/trace.ts";
import {
  type GetTraceRequest,
  type GetTraceResponse,
  TraceServiceService,
} from "../proto/gen/tidegate/control/v1/trace_service.ts";
import { isTraceId } from "../telemetry/tracing/trace-context.ts";
import { askGateways } from "./ask-gateways.ts";
import { type CallGate, forgiving } from "./calls.ts";
import { gatewayName } from "./fleet-names.ts";
import { InvalidFieldsError, shown } from "./invalid-fields.ts";

/** Its full name. */
export const TRACE_SERVICE = "tidegate.control.v1.TraceService";
/** Spans of one answer: more than a message has on 900 gateways, and below a gRPC message. */
const SPAN_COUNT_MAX = 2000;

/** The calls; each throws a CodedError to refuse. */
export class TraceCalls {
  readonly #bus: Bus;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async get({ name }: GetTraceRequest): Promise<GetTraceResponse> {
    const traceId = parseTrace(name);
    const ids = (await this.#bus.topology.processes()).map(({ id }) => id);
    const spans = new Map<string, Span>();
    let isCut = false;
    const body = TraceQuestion.encode({ traceId }).finish();
    const silentGateways = await askGateways(this.#bus, ids, "trace", body, (id, answer) => {
      const found = TraceAnswer.decode(answer);
      isCut ||= found.hasMore;
      for (const span of found.spans) spans.set(span.spanId, { ...span, process: gatewayName(id) });
      return spans.size <= SPAN_COUNT_MAX;
    });
    if (spans.size === 0 && silentGateways.length === 0) {
      const detail =
        `no process has spans of trace ${traceId}: it was not sampled (TRACE_RATIO, the flag ` +
        "tidegate.trace-ratio and pub --trace say what is), or is too old";
      throw new CodedError("NOT_FOUND", detail);
    }
    const inOrder = [...spans.values()].sort((a, b) => Number(a.startUs - b.startUs));
    const hasMore = isCut || inOrder.length > SPAN_COUNT_MAX;
    return { spans: inOrder.slice(0, SPAN_COUNT_MAX), hasMore, silentGateways };
  }
}

/** Adds the service. */
export function addTraces(server: Server, gate: CallGate, bus: Bus): void {
  const calls = new TraceCalls(bus);
  server.addService(forgiving(TraceServiceService), {
    getTrace: gate.unary(`${TRACE_SERVICE}/GetTrace`, calls.get.bind(calls)),
  });
}

/** @throws {InvalidFieldsError} `REQUEST_INVALID`. */
function parseTrace(name: string): string {
  const [collection, traceId = "", ...rest] = name.split("/");
  if (collection === "traces" && rest.length === 0 && isTraceId(traceId)) return traceId;
  const description = `${shown(name)} is not "traces/{trace}", trace 32 hex digits`;
  throw new InvalidFieldsError([{ field: "name", description }]);
}
