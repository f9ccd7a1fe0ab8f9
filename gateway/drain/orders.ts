/**
 * Orders of a control plane to this gateway: questions of kind "drain", answered by where it
 * stands.
 */
import type { Unsubscribe } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { DrainOrder, DrainReport, type DrainStart } from "../../proto/gen/tidegate/bus/v1/drain.ts";
import { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type { GatewayContext } from "../context.ts";
import type { Drain, DrainState } from "./drain.ts";
import { hasReceiver } from "./plan.ts";

/** Answers until the returned function is called. */
export function answerDrainOrders(
  context: GatewayContext,
  drain: Drain,
  connectionCount: () => number,
): Unsubscribe {
  return context.bus.answer("drain", async (body) => {
    const { order } = DrainOrder.decode(body);
    switch (order?.$case) {
      case "start":
        startDrain(context, drain, order.value);
        break;
      case "undo":
        if (["", drain.status.name].includes(order.value.drain)) await drain.undo();
        break;
      case "shed": {
        const { count, connectionsPerSecondMax } = order.value;
        drain.move({
          reason: GoAwayReason.BALANCE,
          ceilingPerS: connectionsPerSecondMax || context.options.drainRateMax,
          countMax: count,
          deadlineMs: null,
          mayTake: () => true,
        });
        break;
      }
      case "look":
      case undefined:
        break;
      default:
        order satisfies never;
    }
    return DrainReport.encode(report(context, drain, connectionCount())).finish();
  });
}

/** @throws {CodedError} `REQUEST_INVALID`. */
function startDrain(context: GatewayContext, drain: Drain, order: DrainStart): void {
  const { connectionsPerSecondMax } = order;
  let { announceMs, deadlineMs } = order;
  if (announceMs === 0 && deadlineMs === 0) {
    // R10: this gateway did not acknowledge a move three times. It knows best how to drain.
    const { drainAnnounceMs, drainDeadlineMs } = context.options;
    const isToDrain = drainDeadlineMs > 0 && hasReceiver(context.directory.peers);
    context.log.error({ drain: order.drain, isToDrain }, "told to drain by a mover of slots");
    if (!isToDrain) return;
    [announceMs, deadlineMs] = [drainAnnounceMs, drainDeadlineMs];
  }
  if (deadlineMs <= announceMs) {
    const detail = `deadline_ms is ${deadlineMs}, must be above announce_ms, ${announceMs}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  const ceilingPerS = connectionsPerSecondMax || context.options.drainRateMax;
  const wish = { name: order.drain, announceMs, deadlineMs, ceilingPerS, endsProcess: false };
  drain.start(wish).catch((error: unknown) => context.log.error({ error }, "a drain failed"));
}

const said: Record<DrainState, ServingState> = {
  serving: ServingState.SERVING,
  announcing: ServingState.ANNOUNCING,
  draining: ServingState.DRAINING,
  drained: ServingState.STOPPED,
};

function report(context: GatewayContext, drain: Drain, connectionCount: number): DrainReport {
  const { state, name, firstCount, toldCount, forcedCount, leftMs } = drain.status;
  return {
    ...{ firstCount, toldCount, forcedCount, leftMs, connectionCount },
    state: said[state],
    drain: name,
    stuck: !hasReceiver(context.directory.peers),
  };
}
