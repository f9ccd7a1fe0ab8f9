/**
 * Spans of operations and of the moves of slots in them.
 *
 * All of one operation are one trace, whose ids follow from its name: a next leader, and the
 * gateway that is drained, record into the same one. They are few, so all are recorded, whatever
 * the ratio.
 */
import type { MoveStep, ShardAdmin } from "../../bus/shard-admin.ts";
import { type Operation, OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import { operationContext } from "../../telemetry/tracing/operation-context.ts";
import { SpanKind } from "../../telemetry/tracing/span.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";

const stateNames: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(OperationState).map(([name, state]) => [
    state,
    name.replace("OPERATION_STATE_", "").toLowerCase(),
  ]),
);

export class OperationTraces {
  readonly #tracer: Tracer;

  constructor(tracer: Tracer) {
    this.#tracer = tracer;
  }

  /** Records an operation that has ended: from its making to its end. */
  ended({ name, work, state, stepCount, doneCount, detail, createTime, endTime }: Operation): void {
    if (!this.#tracer.isOn || createTime === undefined || endTime === undefined) return;
    const kind = work?.$case ?? "unknown";
    const attributes = {
      ...{ "tidegate.operation": name, "tidegate.operation.state": stateNames[state] ?? "" },
      ...{ "tidegate.operation.steps": stepCount, "tidegate.operation.done": doneCount },
    };
    const own = operationContext(name);
    const startUs = createTime.getTime() * 1000;
    const span = this.#tracer.begin(
      `operation ${kind}`,
      SpanKind.INTERNAL,
      null,
      attributes,
      startUs,
      own,
    );
    if (state === OperationState.FAILED) span.error = detail;
    span.end(endTime.getTime() * 1000);
  }

  /**
   * Moves of slots as `shards` makes them, each recorded with its steps.
   *
   * @param find the name of the operation that a slot is moved for; empty: it is not known.
   */
  traced(
    shards: Pick<ShardAdmin, "moveSlot">,
    find: (slot: number) => string,
  ): Pick<ShardAdmin, "moveSlot"> {
    if (!this.#tracer.isOn) return shards;
    return {
      moveSlot: async (slot, shard, mayAct) => {
        const name = find(slot);
        const parent = name === "" ? null : operationContext(name);
        const attributes = { "tidegate.slot": slot, "tidegate.shard": shard };
        const span = this.#tracer.always("move slot", SpanKind.INTERNAL, parent, attributes);
        if (span === null) return shards.moveSlot(slot, shard, mayAct);
        if (name !== "") span.set("tidegate.operation", name);
        await traceMove(span, (onStep) => shards.moveSlot(slot, shard, mayAct, onStep));
      },
    };
  }
}

/** Ends the span with the move; its steps are spans inside it, one after the other. */
async function traceMove(
  span: OpenSpan,
  move: (onStep: (step: MoveStep) => void) => Promise<void>,
): Promise<void> {
  let present: OpenSpan | null = null;
  try {
    await move((step) => {
      present?.end();
      present = span.child(`move.${step}`, SpanKind.INTERNAL);
    });
    (present as OpenSpan | null)?.end();
    span.end();
  } catch (error) {
    (present as OpenSpan | null)?.fail(error);
    span.fail(error);
    throw error;
  }
}
