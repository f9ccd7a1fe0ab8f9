/**
 * The spans of a drain at the gateway that is drained: one for all of it, and one for each of its
 * states. Drains are few, so all are recorded; one that an operation ordered is in its trace.
 */

import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { operationContext } from "../../telemetry/tracing/operation-context.ts";
import { SpanKind } from "../../telemetry/tracing/span.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";

/** What is drained. */
export interface DrainedGateway {
  readonly gatewayId: string;
  /** Name of the drain; an operation's begins with "operations/". */
  readonly name: string;
  readonly connectionCount: number;
}

/** How it went. */
export interface DrainEnd {
  /** State it ended in; "serving": it was undone. */
  readonly state: string;
  readonly toldCount: number;
  readonly forcedCount: number;
  readonly connectionCount: number;
}

export class DrainTrace {
  readonly #span: OpenSpan | null;
  #phase: OpenSpan | null = null;

  constructor(tracer: Tracer, { gatewayId, name, connectionCount }: DrainedGateway) {
    const parent = name.startsWith("operations/") ? operationContext(name) : null;
    const attributes = {
      ...{ "tidegate.gateway": gatewayId, "tidegate.drain.connections": connectionCount },
      ...(name !== "" && { "tidegate.operation": name }),
    };
    this.#span = tracer.always("drain gateway", SpanKind.INTERNAL, parent, attributes);
  }

  /** It is in another state now. */
  enter(state: string): void {
    this.#phase?.end();
    this.#phase = this.#span?.child(`drain.${state}`, SpanKind.INTERNAL) ?? null;
  }

  /** It has ended. Called once. */
  end({ state, toldCount, forcedCount, connectionCount }: DrainEnd): void {
    this.#phase?.end();
    this.#span
      ?.set("tidegate.drain.state", state)
      .set("tidegate.drain.told", toldCount)
      .set("tidegate.drain.forced", forcedCount)
      .set("tidegate.drain.left", connectionCount)
      .end();
  }

  /** It has failed. */
  fail(error: unknown): void {
    this.#phase?.fail(error);
    this.#span?.fail(error);
  }
}
