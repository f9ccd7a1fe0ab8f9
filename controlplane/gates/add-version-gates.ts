/**
 * Adds VersionGateService to a server of the control plane.
 */
import type { Server } from "@grpc/grpc-js";
import type { Bus } from "../../bus/bus.ts";
import { VersionGateServiceService } from "../../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { type CallGate, forgiving } from "../calls.ts";
import type { ControlStore } from "../control-store.ts";
import { VERSION_GATE_SERVICE, VersionGateCalls } from "./version-gate-service.ts";

/** What it works on. */
export interface VersionGateParts {
  readonly store: ControlStore;
  readonly bus: Bus;
}

/** Adds the service. */
export function addVersionGates(
  server: Server,
  gate: CallGate,
  { store, bus }: VersionGateParts,
): void {
  const calls = new VersionGateCalls(store, bus);
  const service = VERSION_GATE_SERVICE;
  server.addService(forgiving(VersionGateServiceService), {
    createVersionGate: gate.unary(`${service}/CreateVersionGate`, calls.create.bind(calls)),
    getVersionGate: gate.unary(`${service}/GetVersionGate`, calls.get.bind(calls)),
    listVersionGates: gate.unary(`${service}/ListVersionGates`, calls.list.bind(calls)),
    updateVersionGate: gate.unary(`${service}/UpdateVersionGate`, calls.update.bind(calls)),
    deleteVersionGate: gate.unary(`${service}/DeleteVersionGate`, calls.delete.bind(calls)),
    testVersionGates: gate.unary(`${service}/TestVersionGates`, calls.test.bind(calls)),
  });
}
