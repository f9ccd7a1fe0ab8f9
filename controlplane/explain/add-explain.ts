/**
 * Adds ExplainService to a server of the control plane. What serves it is imported with its first
 * call: no start waits for it.
 */
import type { Server } from "@grpc/grpc-js";
import type { Bus } from "../../bus/bus.ts";
import { ExplainServiceService } from "../../proto/gen/tidegate/control/v1/explain_service.ts";
import { type CallGate, forgiving } from "../calls.ts";
import type { ControlStore } from "../control-store.ts";

/** Full name of the service. */
export const EXPLAIN_SERVICE = "tidegate.control.v1.ExplainService";

/** What it works on. */
export interface ExplainParts {
  readonly store: ControlStore;
  readonly bus: Bus;
}

/** Adds the service. */
export function addExplain(server: Server, gate: CallGate, { store, bus }: ExplainParts): void {
  server.addService(forgiving(ExplainServiceService), {
    explain: gate.unary(`${EXPLAIN_SERVICE}/Explain`, async (request) => {
      const { ExplainCalls } = await import("./explain-service.ts");
      return new ExplainCalls(bus, store).explain(request);
    }),
  });
}
