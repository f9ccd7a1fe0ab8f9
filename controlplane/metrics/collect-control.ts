/**
 * What a control plane tells at each reading of its metrics.
 *
 * The fleet and its shards are asked for then. While the bus can not tell, their families are
 * missing and a counter says so; the rest is there, since that is when it is looked at.
 */
import type { Bus } from "../../bus/bus.ts";
import type { ScaleAdvice } from "../../proto/gen/tidegate/control/v1/fleet.ts";
import { OperationState } from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { MetricSink } from "../../telemetry/metrics/registry.ts";
import { shardName } from "../fleet-names.ts";
import { hasEnded, type StoredOperation } from "../operations/operation-record.ts";
import { collectScale } from "../scale/scale-metrics.ts";
import type { CallMeter } from "./call-meter.ts";

/** The bus has so long to tell of the fleet, ms: a parent of processes waits 1 s for all of it. */
const READ_MS_MAX = 800;
/** Kinds of operations. */
const kinds = ["moveSlot", "drainShard", "rebalance", "drainGateway"] as const;
const kindLabels = {
  ...{ moveSlot: "move_slot", drainShard: "drain_shard" },
  ...{ rebalance: "rebalance", drainGateway: "drain_gateway" },
};

/** What is read. */
export interface ControlReadings {
  readonly bus: Pick<Bus, "topology">;
  readonly gate: { readonly meter: CallMeter };
  readonly fleet: { advice(): Promise<ScaleAdvice> };
  readonly routing: { readonly watcherCount: number };
  readonly placement: {
    readonly leader: { readonly isLeading: boolean };
    operations(): readonly StoredOperation[];
  };
}

/** See the file's header. */
export class ControlCollector {
  readonly #readings: ControlReadings;
  #failedCount = 0;

  constructor(readings: ControlReadings) {
    this.#readings = readings;
  }

  /** Writes all of it. */
  async collect(sink: MetricSink): Promise<void> {
    const { gate, fleet, routing, placement } = this.#readings;
    const calls = gate.meter;
    const tellers = await Promise.all([
      this.#within(fleet.advice().then((read) => () => collectScale(sink, read))),
      this.#within(this.#readStreams(sink)),
    ]);
    for (const tell of tellers) tell?.();
    for (const [method, counts] of calls.counts) {
      for (const [status, count] of counts) {
        sink.put("tidegate_control_calls_total", count, { method, status });
      }
    }
    sink.put("tidegate_control_call_seconds", calls.latency);
    sink.put("tidegate_control_calls", calls.presentCount);
    sink.put("tidegate_control_leader", Number(placement.leader.isLeading));
    sink.put("tidegate_control_watchers", routing.watcherCount);
    sink.put("tidegate_control_read_failures_total", this.#failedCount);
    collectOperations(sink, placement.operations(), Date.now());
  }

  async #readStreams(sink: MetricSink): Promise<() => void> {
    const { topology } = this.#readings.bus;
    const entries = await topology.shards(await topology.shardNumbers());
    return () => {
      for (const { shard: number, settings, facts } of entries) {
        if (facts === null) continue;
        const shard = shardName(settings?.group ?? 0, number);
        sink.put("tidegate_stream_messages", facts.messageCount, { shard });
        sink.put("tidegate_stream_bytes", facts.bytes, { shard });
        sink.put("tidegate_stream_bytes_max", facts.bytesMax, { shard });
      }
    };
  }

  /** What was read in time, else null. */
  async #within<T>(reading: Promise<T>): Promise<T | null> {
    const { promise, resolve } = Promise.withResolvers<null>();
    const timer = setTimeout(() => resolve(null), READ_MS_MAX);
    // A failed reading is counted like one that is late: both leave the families out.
    const read = await Promise.race([reading.catch(() => null), promise]);
    clearTimeout(timer);
    if (read === null) this.#failedCount += 1;
    return read;
  }
}

/** Operations under way by kind: how many, how old, and how long since they last went on. */
export function collectOperations(
  sink: MetricSink,
  operations: readonly StoredOperation[],
  nowMs: number,
): void {
  const running = operations.filter(({ operation }) => !hasEnded(operation));
  for (const kind of kinds) {
    const ours = running.filter(({ operation }) => operation.work?.$case === kind);
    const ages = ours.map(({ operation }) => ageS(operation.createTime, nowMs));
    // A paused one stands still because somebody wants it to.
    const goingOn = ours.filter(({ operation }) => operation.state !== OperationState.PAUSED);
    const stalls = goingOn.map(({ operation }) => ageS(operation.updateTime, nowMs));
    const label = { kind: kindLabels[kind] };
    sink.put("tidegate_operations", ours.length, label);
    sink.put("tidegate_operation_oldest_seconds", Math.max(0, ...ages), label);
    sink.put("tidegate_operation_stalled_seconds", Math.max(0, ...stalls), label);
  }
}

function ageS(time: Date | undefined, nowMs: number): number {
  return time === undefined ? 0 : Math.max(0, nowMs - time.getTime()) / 1000;
}
