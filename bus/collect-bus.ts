/**
 * What a process tells of its bus at each reading of its metrics.
 */
import type { MetricName } from "../telemetry/metrics/catalogue.ts";
import type { MetricSink } from "../telemetry/metrics/registry.ts";
import type { BusStatus } from "./bus.ts";
import type { JournalCounters } from "./journal.ts";
import { TROUBLE_KINDS } from "./nats/troubles.ts";

/** The counters of /health that are metrics, by name. */
const names: Readonly<Record<string, MetricName>> = {
  connections_lost: "tidegate_bus_disconnects_total",
  subscriptions: "tidegate_bus_subscriptions",
  slots_by_wildcard: "tidegate_bus_slot_subscriptions",
  messages_received: "tidegate_bus_received_total",
  messages_received_for_no_room: "tidegate_bus_received_for_nobody_total",
  ephemeral_lost: "tidegate_bus_ephemeral_lost_total",
  ephemeral_losses_of_unknown_size: "tidegate_bus_losses_of_unknown_size_total",
  ephemeral_dropped_as_old: "tidegate_bus_ephemeral_old_total",
  ephemeral_untracked: "tidegate_bus_ephemeral_untracked_total",
  ephemeral_tails_sent: "tidegate_bus_tails_total",
  origins: "tidegate_bus_origins",
  origins_died: "tidegate_bus_origins_died_total",
};

/** Writes it. */
export function collectBus(sink: MetricSink, status: BusStatus, journal: JournalCounters): void {
  sink.putEach("tidegate_journal_records_total", journal.records);
  sink.putEach("tidegate_journal_dropped_total", journal.dropped);
  const { isConnected, lagMs, counters = {}, troubles } = status;
  sink.put("tidegate_bus_connected", Number(isConnected));
  sink.put("tidegate_bus_lag_seconds", (lagMs ?? 0) / 1000);
  for (const [key, value] of Object.entries(counters)) {
    const name = names[key];
    if (name !== undefined) sink.put(name, value);
  }
  if (troubles === undefined) return; // a bus of one process has none
  for (const kind of TROUBLE_KINDS) {
    sink.put("tidegate_bus_troubles_total", troubles[kind] ?? 0, { kind });
  }
}
