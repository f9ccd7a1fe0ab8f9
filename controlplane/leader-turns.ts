/**
 * Work that the leader repeats: a turn every so often while this process leads, one at a time.
 */
import { SpanKind } from "../telemetry/tracing/span.ts";
import { NO_TRACER, type Tracer } from "../telemetry/tracing/tracer.ts";
import type { Log } from "./log.ts";

/** What is repeated. */
export interface LeaderWork {
  /** Of its span: a few words that are always the same. */
  readonly name: string;
  /** From one turn to the next, ms. */
  readonly everyMs: number;
  /** Logged when a turn has failed; the next one tries again. */
  readonly failed: string;
  isLeading(): boolean;
  turn(): Promise<void>;
}

export class LeaderTurns {
  readonly #work: LeaderWork;
  readonly #log: Log;
  readonly #tracer: Tracer;
  readonly #timer: NodeJS.Timeout;
  #isRunning = false;
  #isClosed = false;

  /** @param tracer records turns as roots: a share of them, those that fail always. */
  constructor(work: LeaderWork, log: Log, tracer: Tracer = NO_TRACER) {
    this.#work = work;
    this.#log = log;
    this.#tracer = tracer;
    this.#timer = setInterval(() => this.#turn(), work.everyMs).unref();
  }

  /** Begins no more turns; one under way ends by itself. */
  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  #turn(): void {
    if (!this.#work.isLeading() || this.#isRunning) return;
    this.#isRunning = true;
    const { name, failed } = this.#work;
    const startUs = this.#tracer.nowUs();
    const span = this.#tracer.sample(name, SpanKind.INTERNAL);
    this.#work
      .turn()
      .then(
        () => span?.end(),
        (error: unknown) => {
          if (!this.#isClosed) this.#log.warn({ error }, failed);
          const late = () => this.#tracer.always(name, SpanKind.INTERNAL, null, {}, startUs);
          (span ?? late())?.fail(error);
        },
      )
      .finally(() => {
        this.#isRunning = false;
      });
  }
}
