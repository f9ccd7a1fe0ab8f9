/**
 * MessagingService, the calls that close connections: asked of the gateways that hold them, and
 * written to the audit log.
 */
import type { Bus } from "../bus/bus.ts";
import { CodedError } from "../proto/coded-error.ts";
import {
  DisconnectAnswer,
  DisconnectQuestion,
} from "../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type {
  DisconnectConnectionRequest,
  DisconnectConnectionResponse,
  DisconnectUserRequest,
  DisconnectUserResponse,
} from "../proto/gen/tidegate/control/v1/messaging_service.ts";
import type { Caller } from "./access/caller.ts";
import { askGateways, gatewayIds, gatewayOfConnection } from "./ask-gateways.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { type FieldViolation, refuseInvalidFields } from "./invalid-fields.ts";
import { parseTenant } from "./resource-name.ts";

/** Characters of a reason: it is one sentence of an error frame. */
const REASON_CHARS_MAX = 200;
/** Bytes of a user's name, as tokens may have it. */
const USER_BYTES_MAX = 128;
const REQUEST_ID_CHARS_MAX = 64;
const service = "tidegate.control.v1.MessagingService";
const controlCharacter = /\p{Cc}/u;

/** The calls; each throws a CodedError to refuse. */
export class DisconnectCalls {
  readonly #bus: Bus;
  readonly #audit: AuditLog;

  constructor(bus: Bus, audit: AuditLog) {
    this.#bus = bus;
    this.#audit = audit;
  }

  async connection(
    request: DisconnectConnectionRequest,
    caller: Caller,
  ): Promise<DisconnectConnectionResponse> {
    const { parent, connection, reason, validateOnly, requestId } = request;
    const tenant = parseTenant(parent, "parent");
    refuseInvalidFields(checkWords(reason, requestId));
    const id = gatewayOfConnection(connection, "connection");
    const target = { $case: "connection", value: connection } as const;
    const question = { tenant, target, reason, validateOnly };
    const { count, silent } = await this.#ask([id], question);
    if (silent.length > 0) {
      throw new CodedError("UNAVAILABLE", `gateway ${id} does not answer; nothing may be closed`);
    }
    if (count === 0) {
      const detail = `tenant "${tenant}" has no connection "${connection}"`;
      throw new CodedError("NOT_FOUND", detail);
    }
    if (!validateOnly) {
      const subject = { method: `${service}/DisconnectConnection`, resource: parent };
      await this.#audit.append(subject, caller, { after: { connection, reason }, requestId });
    }
    return {};
  }

  async user(request: DisconnectUserRequest, caller: Caller): Promise<DisconnectUserResponse> {
    const { parent, user, reason, validateOnly, requestId } = request;
    const tenant = parseTenant(parent, "parent");
    const violations = checkWords(reason, requestId);
    const userBytes = Buffer.byteLength(user);
    if (userBytes === 0 || userBytes > USER_BYTES_MAX) {
      const description = `has ${userBytes} bytes, must have 1 to ${USER_BYTES_MAX}`;
      violations.push({ field: "user", description });
    }
    refuseInvalidFields(violations);
    const target = { $case: "user", value: user } as const;
    const question = { tenant, target, reason, validateOnly };
    const { count, silent } = await this.#ask(await gatewayIds(this.#bus), question);
    if (!validateOnly) {
      const subject = { method: `${service}/DisconnectUser`, resource: parent };
      const after = { user, reason, connectionCount: count, silentGateways: silent };
      await this.#audit.append(subject, caller, { after, requestId });
    }
    return { connectionCount: count, silentGateways: silent };
  }

  async #ask(ids: readonly string[], question: DisconnectQuestion) {
    let count = 0;
    const body = DisconnectQuestion.encode(question).finish();
    const silent = await askGateways(this.#bus, ids, "disconnect", body, (_, answer) => {
      count += DisconnectAnswer.decode(answer).count;
      return true;
    });
    return { count, silent };
  }
}

function checkWords(reason: string, requestId: string): FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (reason.length > REASON_CHARS_MAX || controlCharacter.test(reason)) {
    const description = `is not 0 to ${REASON_CHARS_MAX} characters without control characters`;
    violations.push({ field: "reason", description });
  }
  if (requestId.length > REQUEST_ID_CHARS_MAX) {
    const description = `has ${requestId.length} characters, at most ${REQUEST_ID_CHARS_MAX}`;
    violations.push({ field: "request_id", description });
  }
  return violations;
}
