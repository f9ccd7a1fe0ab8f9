/**
 * Which share of new messages is traced: the process's ratio, or what the flag
 * `tidegate.trace-ratio` gives for tenant, user, client and room class.
 *
 * The flag is asked once for each connection and class, and again when flags or the identity have
 * changed; never per message.
 */
import type { ClientContext } from "../../proto/client-context.ts";
import type { CompiledFlag } from "../../proto/flags/flag-engine.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";
import type { Connection } from "../connection.ts";
import type { FlagState } from "../flags/flag-state.ts";
import type { Identity } from "../identity.ts";

/** Share of new messages that are traced, 0 to 1, where it is a number. */
export const TRACE_RATIO_FLAG = "tidegate.trace-ratio";

/** What a connection gets, by class; void with its identity. */
interface Known {
  readonly identity: Identity;
  readonly byClass: Map<string, number>;
}

export class TraceRatios {
  readonly #tracer: Tracer;
  readonly #contextOf: (connection: Connection, identity: Identity) => ClientContext;
  #flag: CompiledFlag | null = null;
  #known = new WeakMap<Connection, Known>();
  /** Nothing is traced but what asks for it. */
  isZero: boolean;

  constructor(
    tracer: Tracer,
    contextOf: (connection: Connection, identity: Identity) => ClientContext,
  ) {
    this.#tracer = tracer;
    this.#contextOf = contextOf;
    this.isZero = !tracer.isOn || tracer.ratio === 0;
  }

  /** Flags have changed. */
  take({ flags }: Pick<FlagState, "flags">): void {
    this.#flag = flags.get(TRACE_RATIO_FLAG) ?? null;
    this.#known = new WeakMap();
    const { isOn, ratio } = this.#tracer;
    this.isZero = !isOn || (ratio === 0 && this.#flag === null);
  }

  /** The ratio for what a connection publishes in rooms of a class. */
  of(connection: Connection, identity: Identity, roomClass: string): number {
    const flag = this.#flag;
    if (flag === null) return this.#tracer.ratio;
    let known = this.#known.get(connection);
    if (known === undefined || known.identity !== identity) {
      known = { identity, byClass: new Map() };
      this.#known.set(connection, known);
    }
    let ratio = known.byClass.get(roomClass);
    if (ratio === undefined) {
      const context = { ...this.#contextOf(connection, identity), room_class: roomClass };
      const { value } = flag.evaluate(context);
      ratio = typeof value === "number" ? Math.max(0, Math.min(value, 1)) : this.#tracer.ratio;
      known.byClass.set(roomClass, ratio);
    }
    return ratio;
  }
}
