/**
 * RoutingService: one stream a gateway, its first message says who it is.
 *
 * What is sent and when is in watchers.ts; this file is the edge to gRPC, and keeps what gateways
 * answer: the version each has reached, and the records that it refused.
 */
import { type ServerDuplexStream, status } from "@grpc/grpc-js";
import { CodedError } from "../../proto/coded-error.ts";
import type {
  RoutingAck,
  StreamRoutingRequest,
} from "../../proto/gen/tidegate/control/v1/routing_service.ts";
import type { Caller } from "../access/caller.ts";
import type { AuditLog } from "../audit/audit-log.ts";
import { loadStatus } from "../calls.ts";
import { parseGatewayName } from "../fleet-names.ts";
import type { Log } from "../log.ts";
import type { ReportedLoads } from "./slot-loads.ts";
import type { Outlet, Watcher, Watchers } from "./watchers.ts";

/** Full name of the call. */
export const STREAM_METHOD = "tidegate.control.v1.RoutingService/StreamRouting";
/** Streams at once; the next ones are answered UNAVAILABLE, and go to another control plane. */
export const STREAM_COUNT_MAX = 5000;
/** A stream without a Hello is ended after this, ms. */
const HELLO_MS = 5000;
/** Rejections of one ack that are logged and kept; a gateway sends 100 at most. */
const REJECTED_COUNT_MAX = 100;

/** A stream whose messages are encoded before they are given to it. */
export type RoutingStream = ServerDuplexStream<StreamRoutingRequest, Buffer>;

/** What the service works with. */
export interface RoutingParts {
  readonly watchers: Watchers;
  readonly loads: ReportedLoads;
  readonly audit: AuditLog;
  readonly log: Log;
}

/** What a gateway has said of the configuration. */
export interface GatewayProgress {
  readonly watcher: Watcher;
  /** Version it has acknowledged. */
  readonly version: number;
  /** What it refused last: a sentence; empty when nothing, or when that was mended since. */
  readonly trouble: string;
}

/** The calls of RoutingService. */
export class RoutingCalls {
  readonly #parts: RoutingParts;
  /** By gateway id, of those that follow here. */
  readonly #progress = new Map<string, GatewayProgress>();
  #isClosed = false;
  #streamCount = 0;

  constructor(parts: RoutingParts) {
    this.#parts = parts;
  }

  /** What the gateways that follow here have said, by id. */
  get progress(): ReadonlyMap<string, GatewayProgress> {
    return this.#progress;
  }

  /** Serves one stream until it ends. */
  serve(call: RoutingStream, caller: Caller): void {
    if (this.#isClosed || this.#streamCount >= STREAM_COUNT_MAX) {
      const why = this.#isClosed ? "it is stopping" : `${STREAM_COUNT_MAX} gateways follow here`;
      cut(call, why);
      return;
    }
    this.#streamCount += 1;
    const timer = setTimeout(() => {
      refuse(call, new CodedError("HELLO_EXPECTED", `no hello within ${HELLO_MS} ms`));
    }, HELLO_MS).unref();
    let watcher: Watcher | null = null;
    let isEnded = false;
    const end = () => {
      if (isEnded) return;
      isEnded = true;
      this.#streamCount -= 1;
      clearTimeout(timer);
      if (watcher !== null) this.#forget(watcher);
    };
    // A call that breaks may say so by any of them.
    for (const event of ["cancelled", "close", "error"]) call.on(event, end);
    call.on("end", () => {
      end();
      call.end();
    });
    call.on("data", ({ message }: StreamRoutingRequest) => {
      if (isEnded) return;
      if (watcher !== null) {
        this.#take(watcher, message);
        return;
      }
      try {
        watcher = this.#follow(call, caller, message);
        clearTimeout(timer);
      } catch (reason) {
        end();
        const error = CodedError.from(reason);
        refuse(call, error);
        if (error.code === "PERMISSION_DENIED") this.#note(caller, message, error);
      }
    });
  }

  /** Ends every stream as UNAVAILABLE: gateways go to another control plane. */
  close(): void {
    this.#isClosed = true;
    this.#parts.watchers.cutAll("it is stopping");
  }

  /** @throws {CodedError} `HELLO_EXPECTED`, `REQUEST_INVALID`, `PERMISSION_DENIED`. */
  #follow(call: RoutingStream, caller: Caller, message: StreamRoutingRequest["message"]): Watcher {
    if (message?.$case !== "hello") {
      throw new CodedError("HELLO_EXPECTED", "the first message must be hello");
    }
    const { watchers, log } = this.#parts;
    const version = Number(message.value.version);
    const gateway = parseGatewayName(message.value.gateway, "hello.gateway");
    if (caller.gatewayId !== null && caller.gatewayId !== gateway) {
      const detail = `${caller.principal} may speak for gateway ${caller.gatewayId} alone`;
      throw new CodedError("PERMISSION_DENIED", detail);
    }
    log.debug({ gateway, version, peer: caller.peer }, "a gateway follows the configuration");
    const watcher = watchers.add(gateway, version, outletOf(call));
    this.#progress.set(gateway, { watcher, version, trouble: "" });
    return watcher;
  }

  /** Somebody says he is a gateway that he is not. */
  #note(caller: Caller, message: StreamRoutingRequest["message"], error: CodedError): void {
    const { audit, log } = this.#parts;
    const resource = message?.$case === "hello" ? message.value.gateway.slice(0, 100) : "";
    const subject = { method: STREAM_METHOD, resource };
    void audit.refuse(subject, caller, caller.peer, error, "").then((fault) => {
      if (fault !== null) log.warn({ err: fault }, "a refused stream is not audited");
    });
  }

  /** A gateway that has come again has a new watcher by then. */
  #forget(watcher: Watcher): void {
    this.#parts.watchers.remove(watcher);
    const { gateway } = watcher;
    if (this.#progress.get(gateway)?.watcher === watcher) this.#progress.delete(gateway);
  }

  #take(watcher: Watcher, message: StreamRoutingRequest["message"]): void {
    if (message?.$case === "ack") this.#onAck(watcher, message.value);
    else if (message?.$case === "load") this.#parts.loads.add(message.value, performance.now());
  }

  #onAck(watcher: Watcher, { version, rejected }: RoutingAck): void {
    const { gateway } = watcher;
    const [first] = rejected;
    const trouble = first === undefined ? "" : `${first.key}: ${first.reason.slice(0, 200)}`;
    this.#progress.set(gateway, { watcher, version: Number(version), trouble });
    for (const { key, revision, reason } of rejected.slice(0, REJECTED_COUNT_MAX)) {
      const fields = { gateway, key, revision: Number(revision), reason: reason.slice(0, 200) };
      this.#parts.log.warn(fields, "a gateway refused a record; it keeps the last good one");
    }
  }
}

function outletOf(call: RoutingStream): Outlet {
  return {
    write: (frame, done) =>
      call.write(frame, (error?: Error | null) => {
        if (error === undefined || error === null) done();
      }),
    cut: (why) => cut(call, why),
  };
}

function cut(call: RoutingStream, why: string): void {
  const details = `${why}; follow another control plane`;
  call.emit("error", Object.assign(new Error(details), { code: status.UNAVAILABLE, details }));
}

function refuse(call: RoutingStream, error: CodedError): void {
  void loadStatus().then(({ encodeStatus }) => {
    const { code, details, metadata } = encodeStatus(error);
    call.emit("error", Object.assign(new Error(details), { code, details, metadata }));
  });
}
