/**
 * The edge between grpc-js and our calls: who calls and whether he may, decoding, counting, mapping
 * every error once, auditing what was refused; and outliving it all.
 */
import type {
  handleUnaryCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { CodedError } from "../proto/coded-error.ts";
import type { OpenSpan } from "../telemetry/tracing/open-span.ts";
import { NO_TRACER, type Tracer } from "../telemetry/tracing/tracer.ts";
import { type Access, type CallFacts, OPEN_ACCESS } from "./access/access.ts";
import { allows, type Caller } from "./access/caller.ts";
import { type MethodRule, methodRule } from "./access/method-roles.ts";
import { RoleRequiredError } from "./access/role-required.ts";
import type { AuditLog } from "./audit/audit-log.ts";
import { requestIdOf, resourceOf } from "./audit/request-words.ts";
import { CallTrace } from "./call-trace.ts";
import type { Log } from "./log.ts";
import { CallMeter } from "./metrics/call-meter.ts";

/** Stands for a request that did not decode, so that the caller is told INVALID_ARGUMENT. */
class Undecodable {
  readonly cause: unknown;

  constructor(cause: unknown) {
    this.cause = cause;
  }
}

/** Loads status.ts: its details are much generated code, which no start has to wait for. */
export function loadStatus() {
  return import("./status.ts");
}

/** What the gate needs. */
export interface CallGateOptions {
  readonly log: Log;
  /** Calls at once; the next ones are answered `UNAVAILABLE`, with a retry hint. */
  readonly countMax: number;
  /** Left out: everybody may do everything. */
  readonly access?: Access;
  /** Left out: refused calls are not written. */
  readonly audit?: AuditLog;
  /** Left out: calls are no spans. */
  readonly tracer?: Tracer;
}

/** Serves a call; the span is null when the call is not sampled. */
type Handle<Request, Response> = (
  request: Request,
  caller: Caller,
  span: OpenSpan | null,
) => Promise<Response>;

/** A streaming call, of either kind. */
type StreamCall = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

/** Lets calls in, counts those in progress and holds them to a maximum. */
export class CallGate {
  readonly #log: Log;
  readonly #countMax: number;
  /** Of all calls. */
  readonly meter = new CallMeter();
  readonly #tracer: Tracer;
  readonly #access: Access;
  readonly #audit: AuditLog | null;
  #count = 0;

  constructor({ log, countMax, access = OPEN_ACCESS, audit, tracer }: CallGateOptions) {
    this.#log = log;
    this.#tracer = tracer ?? NO_TRACER;
    this.#countMax = countMax;
    this.#access = access;
    this.#audit = audit ?? null;
  }

  /**
   * A handler for grpc-js: runs `handle`, and answers what it returns or throws.
   *
   * @param method "<package>.<Service>/<Method>"; it is in access/method-roles.ts.
   */
  unary<Request, Response>(
    method: string,
    handle: Handle<Request, Response>,
  ): handleUnaryCall<Request, Response> {
    const rule = methodRule(method);
    return (call, callback) => {
      const { trace, end } = this.#begin(method, false, call.metadata);
      const handleTraced = (request: Request, caller: Caller) =>
        handle(request, caller, trace.admit());
      this.#run(method, rule, call, call.request, handleTraced).then(
        (response) => {
          end(null);
          callback(null, response);
        },
        async (reason) => {
          end(reason);
          const { answerError } = await loadStatus();
          callback(answerError(this.#log, method, reason));
        },
      );
    };
  }

  /**
   * A handler for a call that streams its answers: `handle` serves it once the caller is let in.
   * What it throws, or rejects with, ends the call; how many it serves at once is its own affair.
   *
   * @param method as in {@link unary}.
   */
  stream<Call extends StreamCall>(
    method: string,
    handle: (call: Call, caller: Caller) => void | Promise<void>,
  ): (call: Call) => void {
    const rule = methodRule(method);
    return (call) => {
      const request = "request" in call ? call.request : null;
      const { trace, end } = this.#begin(method, true, call.metadata);
      let failure: unknown = null;
      call.once("close", () => end(failure)); // also after an error, and when it is cancelled
      this.#admit(method, rule, call, request)
        .then((caller) => {
          trace.admit();
          refuseUndecodable(request);
          return handle(call, caller);
        })
        .catch(async (reason) => {
          failure = reason;
          const { answerError } = await loadStatus();
          const answer = answerError(this.#log, method, reason);
          call.emit("error", Object.assign(new Error(answer.details), answer));
        });
    };
  }

  /** `end` is to be called once at the end, with what the call failed with, or null. */
  #begin(method: string, isStream: boolean, metadata: Metadata) {
    const counted = this.meter.begin(method, isStream);
    const trace = new CallTrace(this.#tracer, method, metadata);
    const end = (reason: unknown) => {
      counted(reason);
      trace.end(reason);
    };
    return { trace, end };
  }

  async #run<Request, Response>(
    method: string,
    rule: MethodRule,
    call: CallFacts,
    request: Request,
    handle: (request: Request, caller: Caller) => Promise<Response>,
  ): Promise<Response> {
    if (this.#count >= this.#countMax) {
      throw new CodedError("UNAVAILABLE", `${this.#countMax} calls are in progress, the maximum`);
    }
    this.#count += 1;
    try {
      const caller = await this.#admit(method, rule, call, request);
      try {
        refuseUndecodable(request);
        return await handle(request, caller);
      } catch (reason) {
        if (rule.changes) await this.#note(method, caller, call, request, reason);
        throw reason;
      }
    } finally {
      this.#count -= 1;
    }
  }

  /** Who calls, if he may. */
  async #admit(
    method: string,
    { role }: MethodRule,
    call: CallFacts,
    request: unknown,
  ): Promise<Caller> {
    let caller: Caller | null = null;
    try {
      caller = await this.#access.identify(call);
      if (!allows(caller.role, role)) throw new RoleRequiredError(method, caller, role);
    } catch (reason) {
      await this.#note(method, caller, call, request, reason);
      throw reason;
    }
    return caller;
  }

  /** Audits a refusal. What the bus could not do is none, and could not be written either. */
  async #note(
    method: string,
    caller: Caller | null,
    call: CallFacts,
    request: unknown,
    reason: unknown,
  ): Promise<void> {
    const error = CodedError.from(reason);
    if (this.#audit === null || error.info.retry === "same" || error.code === "INTERNAL") return;
    const subject = { method, resource: resourceOf(request) };
    const requestId = requestIdOf(request);
    const fault = await this.#audit.refuse(subject, caller, call.getPeer(), error, requestId);
    if (fault !== null) this.#log.warn({ err: fault, method }, "a refused call is not audited");
  }
}

function refuseUndecodable(request: unknown): void {
  if (!(request instanceof Undecodable)) return;
  throw new CodedError("REQUEST_INVALID", "the request does not decode", request.cause);
}

/**
 * A service definition whose requests never fail to decode: grpc-js would answer INTERNAL, as if it
 * were our fault.
 */
export function forgiving<Service extends ServiceDefinition>(
  service: ServiceDefinition<UntypedServiceImplementation> & Service,
): Service {
  const methods = Object.entries(service).map(([name, method]) => {
    const requestDeserialize = (bytes: Buffer) => {
      try {
        return method.requestDeserialize(bytes);
      } catch (reason) {
        return new Undecodable(reason);
      }
    };
    return [name, { ...method, requestDeserialize }];
  });
  return Object.fromEntries(methods) as Service;
}
