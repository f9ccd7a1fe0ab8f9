/**
 * LogService: what processes log, and another level for a while.
 *
 * Asked of the processes themselves rather than kept as configuration: it must also work when the
 * configuration is what is wrong, and nobody has to remember to take it back.
 */
import type { Server } from "@grpc/grpc-js";
import type { Bus } from "../bus/bus.ts";
import { CodedError } from "../proto/coded-error.ts";
import {
  LogLevelAnswer,
  type LogLevelChange,
  LogLevelQuestion,
} from "../proto/gen/tidegate/bus/v1/log_question.ts";
import { LogLevel, type ProcessLogLevel } from "../proto/gen/tidegate/control/v1/log.ts";
import {
  type ListLogLevelsRequest,
  type ListLogLevelsResponse,
  LogServiceService,
  type SetLogLevelRequest,
  type SetLogLevelResponse,
} from "../proto/gen/tidegate/control/v1/log_service.ts";
import type { Caller } from "./access/caller.ts";
import { askGateways } from "./ask-gateways.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { type CallGate, forgiving } from "./calls.ts";
import { gatewayName, parseGatewayName } from "./fleet-names.ts";
import { type FieldViolation, refuseInvalidFields } from "./invalid-fields.ts";

/** Its full name. */
export const LOG_SERVICE = "tidegate.control.v1.LogService";
/** How long a level is in force when the call does not say, ms: long enough to look. */
export const LEVEL_MS_DEFAULT = 15 * 60_000;
/** Longest, ms: a level that is forgotten fills disks. */
const LEVEL_MS_MAX = 24 * 3_600_000;
const REQUEST_ID_CHARS_MAX = 64;
const everyProcess = "gateways/-";

/** The calls; each throws a CodedError to refuse. */
export class LogCalls {
  readonly #bus: Bus;
  readonly #audit: AuditLog;

  constructor(bus: Bus, audit: AuditLog) {
    this.#bus = bus;
    this.#audit = audit;
  }

  async list({ name }: ListLogLevelsRequest): Promise<ListLogLevelsResponse> {
    return this.#ask(await this.#idsOf(name), undefined);
  }

  async set(request: SetLogLevelRequest, caller: Caller): Promise<SetLogLevelResponse> {
    const { name, level, validateOnly, requestId } = request;
    refuseInvalidFields(checkChange(request));
    const ids = await this.#idsOf(name);
    const change = { level, forMs: request.forMs || LEVEL_MS_DEFAULT };
    const answer = await this.#ask(ids, validateOnly ? undefined : change);
    if (validateOnly) return answer;
    const subject = { method: `${LOG_SERVICE}/SetLogLevel`, resource: name };
    const { silentGateways } = answer;
    const count = answer.levels.length;
    const after = { ...change, processCount: count, silentGateways };
    await this.#audit.append(subject, caller, { after, requestId });
    return answer;
  }

  /** Ids of the processes of that name. */
  async #idsOf(name: string): Promise<string[]> {
    const all = (await this.#bus.topology.processes()).map(({ id }) => id);
    if (name === everyProcess) return all;
    const id = parseGatewayName(name, "name");
    if (all.includes(id)) return [id];
    throw new CodedError("NOT_FOUND", `no process with the id "${id}" holds a lease`);
  }

  async #ask(ids: readonly string[], change: LogLevelChange | undefined) {
    const levels: ProcessLogLevel[] = [];
    const body = LogLevelQuestion.encode({ change }).finish();
    const silentGateways = await askGateways(this.#bus, ids, "log-level", body, (id, answer) => {
      const { level, usual, leftMs } = LogLevelAnswer.decode(answer);
      levels.push({ name: gatewayName(id), level, usualLevel: usual, leftMs });
      return true;
    });
    return { levels, silentGateways };
  }
}

/** Adds the service. */
export function addLogs(server: Server, gate: CallGate, calls: LogCalls): void {
  server.addService(forgiving(LogServiceService), {
    listLogLevels: gate.unary(`${LOG_SERVICE}/ListLogLevels`, calls.list.bind(calls)),
    setLogLevel: gate.unary(`${LOG_SERVICE}/SetLogLevel`, calls.set.bind(calls)),
  });
}

function checkChange({ level, forMs, requestId }: SetLogLevelRequest): FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (!(Object.values(LogLevel) as number[]).includes(level) || level === LogLevel.UNRECOGNIZED) {
    violations.push({ field: "level", description: `is ${level}, none of LogLevel` });
  }
  if (forMs > LEVEL_MS_MAX) {
    violations.push({ field: "for_ms", description: `is ${forMs}, at most ${LEVEL_MS_MAX}` });
  }
  if (requestId.length > REQUEST_ID_CHARS_MAX) {
    const description = `has ${requestId.length} characters, at most ${REQUEST_ID_CHARS_MAX}`;
    violations.push({ field: "request_id", description });
  }
  return violations;
}
