/**
 * Where spans begin. What is not sampled never comes here: its caller holds null for a span, which
 * costs one comparison.
 */
import { OpenSpan } from "./open-span.ts";
import { SpanRecorder } from "./recorder.ts";
import type { SpanAttributes, SpanKind, SpanRecord } from "./span.ts";
import { SpanClock } from "./span-clock.ts";
import { SpanIds } from "./span-ids.ts";
import type { SpanContext } from "./trace-context.ts";
import { TRACER_DEFAULTS, type TracerOptions } from "./tracer-options.ts";

/**
 * Spans a second that {@link Tracer.always} records of one operation (the first word of the name);
 * beyond it they are only counted. A flood of refused publishes must not cost more than the
 * refusals, and must not hide a drain.
 */
export const ALWAYS_PER_S_MAX = 100;

/** What happened since the start. */
export interface TracerCounters {
  /** Spans recorded. */
  readonly recorded: number;
  /** Spans not exported since QUEUE_COUNT_MAX waited: the endpoint is slow or away. */
  readonly queueFull: number;
  /** Spans not exported since the endpoint was away, too slow or refused them. */
  readonly exportFailed: number;
  /** Spans of errors beyond {@link ALWAYS_PER_S_MAX}. */
  readonly suppressed: number;
}

export interface Tracer {
  /** False: nothing is ever recorded; sampled or not is not asked. */
  readonly isOn: boolean;
  /** Share of new traces that are recorded, 0 to 1. */
  readonly ratio: number;
  /** Microseconds since 1970-01-01 UTC, as spans count. */
  nowUs(): number;
  /**
   * Begins a span that will be recorded: the caller has decided that it is sampled.
   *
   * @param name `<operation> <what>`, bounded: never a room or a user.
   * @param parent null begins a new trace.
   * @param attributes is the span's own from now on.
   * @param startUs now, if left out.
   * @param own its names, where others know them before it is recorded (operation-context.ts).
   */
  begin(
    name: string,
    kind: SpanKind,
    parent: SpanContext | null,
    attributes?: SpanAttributes,
    startUs?: number,
    own?: SpanContext,
  ): OpenSpan;
  /** Begins a new trace with the ratio; null: not sampled. For what no message brings along. */
  sample(name: string, kind: SpanKind, attributes?: SpanAttributes): OpenSpan | null;
  /**
   * Begins a span whatever the ratio, for errors and what is rare (a move, a drain); null when off,
   * and beyond {@link ALWAYS_PER_S_MAX} a second of its operation.
   */
  always(
    name: string,
    kind: SpanKind,
    parent: SpanContext | null,
    attributes?: SpanAttributes,
    startUs?: number,
  ): OpenSpan | null;
  /** The spans of a trace that this process still has, by their start. */
  find(traceId: string): readonly SpanRecord[];
  counters(): TracerCounters;
}

/** Records into a {@link SpanRecorder}. */
export class RecordingTracer implements Tracer {
  readonly isOn = true;
  readonly ratio: number;
  readonly recorder: SpanRecorder;
  readonly #clock: { nowUs(): number };
  readonly #ids = new SpanIds();
  /** The second of {@link always}, and what was begun in it by operation. */
  #second = 0;
  readonly #secondCounts = new Map<string, number>();
  #suppressedCount = 0;

  /** @param clock default: this machine's. */
  constructor(partial: Partial<TracerOptions> = {}, clock: { nowUs(): number } = new SpanClock()) {
    const options = { ...TRACER_DEFAULTS, ...partial };
    this.ratio = options.ratio;
    this.recorder = new SpanRecorder(options.ringCountMax);
    this.#clock = clock;
  }

  nowUs(): number {
    return this.#clock.nowUs();
  }

  begin(
    name: string,
    kind: SpanKind,
    parent: SpanContext | null,
    attributes: SpanAttributes = {},
    startUs: number = this.nowUs(),
    own: SpanContext = this.#ownNames(parent),
  ): OpenSpan {
    return new OpenSpan(this, name, kind, own, parent?.spanId ?? "", startUs, attributes);
  }

  sample(name: string, kind: SpanKind, attributes?: SpanAttributes): OpenSpan | null {
    if (this.ratio === 0 || Math.random() >= this.ratio) return null;
    return this.begin(name, kind, null, attributes);
  }

  always(
    name: string,
    kind: SpanKind,
    parent: SpanContext | null,
    attributes?: SpanAttributes,
    startUs?: number,
  ): OpenSpan | null {
    const nowUs = this.nowUs();
    const second = Math.floor(nowUs / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      this.#secondCounts.clear();
    }
    const operation = name.slice(0, name.indexOf(" ") >>> 0);
    const count = (this.#secondCounts.get(operation) ?? 0) + 1;
    this.#secondCounts.set(operation, count);
    if (count <= ALWAYS_PER_S_MAX) {
      return this.begin(name, kind, parent, attributes, startUs ?? nowUs);
    }
    this.#suppressedCount += 1;
    return null;
  }

  #ownNames(parent: SpanContext | null): SpanContext {
    return { traceId: parent?.traceId ?? this.#ids.traceId(), spanId: this.#ids.spanId() };
  }

  /** For {@link OpenSpan.end}. */
  record(span: SpanRecord): void {
    this.recorder.record(span);
  }

  find(traceId: string): readonly SpanRecord[] {
    return this.recorder.find(traceId);
  }

  counters(): TracerCounters {
    const { recordedCount, queueFullCount, exportFailedCount } = this.recorder;
    return {
      ...{ recorded: recordedCount, suppressed: this.#suppressedCount },
      ...{ queueFull: queueFullCount, exportFailed: exportFailedCount },
    };
  }
}

/** Records nothing. A span begun all the same is like any other, and goes nowhere. */
export const NO_TRACER: Tracer = {
  isOn: false,
  ratio: 0,
  nowUs: () => 0,
  begin: (name, kind, parent, attributes = {}, startUs = 0) =>
    new OpenSpan(nowhere, name, kind, parent ?? nobody, parent?.spanId ?? "", startUs, attributes),
  sample: () => null,
  always: () => null,
  find: () => [],
  counters: () => ({ recorded: 0, queueFull: 0, exportFailed: 0, suppressed: 0 }),
};

const nobody: SpanContext = { traceId: "0".repeat(32), spanId: "0".repeat(16) };
const nowhere = { nowUs: () => 0, begin: NO_TRACER.begin, record() {} };
