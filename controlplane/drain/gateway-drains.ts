/**
 * GatewayService.DrainGateway and UndrainGateway.
 */
import type { Bus } from "../../bus/bus.ts";
import type { ProcessEntry } from "../../bus/topology.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { ServingState } from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import type {
  DrainGatewayRequest,
  DrainGatewayResponse,
  UndrainGatewayRequest,
  UndrainGatewayResponse,
} from "../../proto/gen/tidegate/control/v1/gateway_service.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";
import type { Caller } from "../access/caller.ts";
import type { ControlStore } from "../control-store.ts";
import { parseGatewayName } from "../fleet-names.ts";
import { decodeFacts, isSilent, toGateway } from "../fleet-resources.ts";
import { type FieldViolation, refuseInvalidFields } from "../invalid-fields.ts";
import type { OperationStarts } from "../operations/begin-operation.ts";
import { askGateway } from "./ask-gateway.ts";

/** How long a drained gateway still accepts when the call does not say, ms. */
export const ANNOUNCE_MS = 5000;
/** When the rest is closed when the call does not say, ms from the begin. */
export const DEADLINE_MS = 30_000;
/** Longest deadline, ms: a day, for the gentlest of drains. */
const DEADLINE_MS_MAX = 24 * 60 * 60_000;
/** Most reconnects a second. */
const RATE_MAX = 100_000;
const service = "tidegate.control.v1.GatewayService";

/** What the calls work with. */
export interface GatewayDrainParts {
  readonly bus: Bus;
  readonly store: ControlStore;
  readonly starts: OperationStarts;
}

export class GatewayDrains {
  readonly #parts: GatewayDrainParts;

  constructor(parts: GatewayDrainParts) {
    this.#parts = parts;
  }

  async drain(
    request: DrainGatewayRequest,
    caller: Caller,
    span: OpenSpan | null = null,
  ): Promise<DrainGatewayResponse> {
    const { name, connectionsPerSecondMax, validateOnly, requestId } = request;
    const { starts, store } = this.#parts;
    const subject = { method: `${service}/DrainGateway`, resource: name };
    const announceMs = request.announceMs ?? ANNOUNCE_MS;
    const deadlineMs = request.deadlineMs || DEADLINE_MS;
    const id = parseGatewayName(name, "name");
    refuseInvalidFields(findFaults(announceMs, deadlineMs, connectionsPerSecondMax));
    const repeat = await store.findRepeat(caller, subject, { requestId, validateOnly });
    const { entry, others } = await this.#find(id);
    if (repeat === null) {
      starts.refuseConflict((work) => work.$case === "drainGateway" && work.value.gateway === name);
      if (!others.some(takesClients)) {
        const detail = `no other gateway takes clients, so those of ${name} would have nowhere to go`;
        throw new CodedError("NO_OTHER_GATEWAY", detail);
      }
    }
    const { incarnation } = entry;
    const value = { gateway: name, incarnation, connectionsPerSecondMax, announceMs, deadlineMs };
    const operation = await starts.begin(caller, {
      span,
      ...{ ...subject, moves: [], validateOnly, requestId },
      work: { $case: "drainGateway", value },
    });
    return { operation };
  }

  async undrain(request: UndrainGatewayRequest, caller: Caller): Promise<UndrainGatewayResponse> {
    const { name, validateOnly, requestId } = request;
    const { bus, store, starts } = this.#parts;
    const subject = { method: `${service}/UndrainGateway`, resource: name };
    const id = parseGatewayName(name, "name");
    const { entry } = await this.#find(id);
    // An operation would only drain it again: that is to be aborted, which says who did it.
    starts.refuseConflict((work) => work.$case === "drainGateway" && work.value.gateway === name);
    if (!validateOnly) {
      await askGateway(bus, id, { $case: "undo", value: { drain: "" } });
      await store.audit.append(subject, caller, { after: { state: "SERVING" }, requestId });
    }
    return { gateway: toGateway(entry, Date.now() * 1000) };
  }

  /** @throws {CodedError} `NOT_FOUND`, `REQUEST_INVALID` for a process without clients. */
  async #find(id: string): Promise<{ entry: ProcessEntry; others: ProcessEntry[] }> {
    const all = await this.#parts.bus.topology.processes();
    const entry = all.find((each) => each.id === id);
    if (entry === undefined) {
      throw new CodedError("NOT_FOUND", `no process with the id "${id}" holds a lease`);
    }
    if (entry.parts === "controlplane") {
      refuseInvalidFields([{ field: "name", description: `${id} is a control plane: no clients` }]);
    }
    return { entry, others: all.filter((each) => each !== entry) };
  }
}

function findFaults(announceMs: number, deadlineMs: number, rate: number): FieldViolation[] {
  const faults: FieldViolation[] = [];
  if (deadlineMs > DEADLINE_MS_MAX) {
    faults.push({ field: "deadline_ms", description: `${deadlineMs} is above ${DEADLINE_MS_MAX}` });
  }
  if (announceMs >= deadlineMs) {
    const description = `${announceMs} is not below deadline_ms, ${deadlineMs}`;
    faults.push({ field: "announce_ms", description });
  }
  if (rate > RATE_MAX) {
    const description = `${rate} is above ${RATE_MAX}`;
    faults.push({ field: "connections_per_second_max", description });
  }
  return faults;
}

/** Whether a process takes clients, as far as it says. */
function takesClients(entry: ProcessEntry): boolean {
  if (entry.parts === "controlplane" || isSilent(entry, Date.now() * 1000)) return false;
  const facts = decodeFacts(entry.facts);
  if (facts === undefined) return true; // a version that does not say so
  return facts.state === ServingState.SERVING && facts.connectionCount < facts.connectionCountMax;
}
