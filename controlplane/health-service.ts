/**
 * grpc.health.v1: whether the control plane serves, overall ("") and by service.
 *
 * It serves while it is not stopping and the bus is connected. Written on the generated code rather
 * than with grpc-health-check, whose proto loader costs 60 ms of the start.
 */
import { type ServerWritableStream, status } from "@grpc/grpc-js";
import {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthServer,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../proto/gen/grpc/health/v1/health.ts";

/** How often watched health is looked at. Milliseconds. */
const lookIntervalMs = 1000;
/** Watching calls at once; the next ones are answered UNAVAILABLE. Each costs one open stream. */
export const HEALTH_WATCH_COUNT_MAX = 1000;

type WatchCall = ServerWritableStream<HealthCheckRequest, HealthCheckResponse>;

/** The calls of grpc.health.v1.Health. */
export class HealthCalls {
  readonly #services: ReadonlySet<string>;
  readonly #isServing: () => boolean;
  /** Watching calls, and what each was told last. */
  readonly #watches = new Map<WatchCall, ServingStatus>();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /**
   * @param services full names that are asked for.
   * @param isServing whether they serve now.
   */
  constructor(services: readonly string[], isServing: () => boolean) {
    this.#services = new Set(["", ...services]);
    this.#isServing = isServing;
  }

  /** For Server.addService. */
  readonly server: HealthServer = {
    check: (call, callback) => {
      const { service } = call.request;
      const found = this.#statusOf(service);
      if (found !== ServingStatus.SERVICE_UNKNOWN) callback(null, { status: found });
      else callback({ code: status.NOT_FOUND, details: `no service "${service.slice(0, 60)}"` });
    },
    list: (_call, callback) => {
      const statuses = [...this.#services].map((name) => [name, { status: this.#statusOf(name) }]);
      callback(null, { statuses: Object.fromEntries(statuses) });
    },
    watch: (call) => this.#watch(call),
  };

  /** Tells every watcher NOT_SERVING, and ends their calls. */
  close(): void {
    this.#isClosed = true;
    this.#look();
    for (const call of this.#watches.keys()) call.end();
    this.#watches.clear();
    this.#stopLooking();
  }

  #watch(call: WatchCall): void {
    if (this.#isClosed || this.#watches.size >= HEALTH_WATCH_COUNT_MAX) {
      const reason = this.#isClosed ? "it is stopping" : `${HEALTH_WATCH_COUNT_MAX} calls watch`;
      const end = { code: status.UNAVAILABLE, details: reason };
      call.emit("error", Object.assign(new Error(reason), end));
      return;
    }
    const first = this.#statusOf(call.request.service);
    this.#watches.set(call, first);
    const forget = () => {
      this.#watches.delete(call);
      if (this.#watches.size === 0) this.#stopLooking();
    };
    call.on("cancelled", forget);
    call.on("error", forget);
    call.on("close", forget);
    call.write({ status: first });
    this.#timer ??= setInterval(() => this.#look(), lookIntervalMs).unref();
  }

  #look(): void {
    for (const [call, told] of this.#watches) {
      const now = this.#statusOf(call.request.service);
      if (now === told) continue;
      this.#watches.set(call, now);
      call.write({ status: now });
    }
  }

  #stopLooking(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #statusOf(service: string): ServingStatus {
    if (!this.#services.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    const isServing = !this.#isClosed && this.#isServing();
    return isServing ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  }
}
