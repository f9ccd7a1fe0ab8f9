/**
 * What each process exports of its connection to the bus.
 *
 * Pure. What only NATS has is absent on the embedded bus.
 */
import { counter, gauge, type MetricRow } from "./metric-row.ts";

/** Name to row. */
export const BUS_METRICS = {
  tidegate_bus_connected: gauge("1: messages are passed on."),
  tidegate_bus_lag_seconds: gauge("What the bus takes to answer."),
  tidegate_bus_disconnects_total: counter("Connections to NATS that were lost."),
  tidegate_bus_troubles_total: counter(
    "What should not happen on the bus; see docs/nats.md.",
    "kind",
  ),
  tidegate_bus_subscriptions: gauge("Rooms that are subscribed one by one."),
  tidegate_bus_slot_subscriptions: gauge("Slots that are subscribed as a whole."),
  tidegate_bus_received_total: counter("Messages that came from NATS."),
  tidegate_bus_received_for_nobody_total: counter(
    "Of these, messages for rooms without members here.",
  ),
  tidegate_bus_ephemeral_lost_total: counter(
    "Ephemeral messages that were lost between processes, where it is known.",
  ),
  tidegate_bus_losses_of_unknown_size_total: counter(
    "Losses of ephemeral messages whose number is not known.",
  ),
  tidegate_bus_ephemeral_old_total: counter(
    "Ephemeral messages that were dropped as repeated or late.",
  ),
  tidegate_bus_ephemeral_untracked_total: counter(
    "Ephemeral messages that are not counted: too many origins.",
  ),
  tidegate_bus_tails_total: counter("Tails of ephemeral rooms that were announced."),
  tidegate_bus_origins: gauge("Processes whose ephemeral messages are counted."),
  tidegate_bus_origins_died_total: counter("Of these, processes that ended unseen."),
  tidegate_journal_records_total: counter("Records that the journal took, by kind.", "kind"),
  tidegate_journal_dropped_total: counter(
    "Records that the journal did not take: rate, full, unavailable.",
    "reason",
  ),
} as const satisfies Readonly<Record<string, MetricRow>>;
