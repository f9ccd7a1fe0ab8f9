/**
 * What each process exports of its connection to the bus.
 *
 * Pure. What only NATS has is absent on the embedded bus.
 */
import { counter, gauge, type MetricRow, planned } from "./metric-row.ts";

/** Name to row. */
export const BUS_METRICS = {
  tidegate_bus_connected: planned(gauge("1: messages are passed on.")),
  tidegate_bus_lag_seconds: planned(gauge("What the bus takes to answer.")),
  tidegate_bus_disconnects_total: planned(counter("Connections to NATS that were lost.")),
  tidegate_bus_troubles_total: planned(
    counter("What should not happen on the bus; see docs/nats.md.", "kind"),
  ),
  tidegate_bus_subscriptions: planned(gauge("Rooms that are subscribed one by one.")),
  tidegate_bus_slot_subscriptions: planned(gauge("Slots that are subscribed as a whole.")),
  tidegate_bus_received_total: planned(counter("Messages that came from NATS.")),
  tidegate_bus_received_for_nobody_total: planned(
    counter("Of these, messages for rooms without members here."),
  ),
  tidegate_bus_ephemeral_lost_total: planned(
    counter("Ephemeral messages that were lost between processes, where it is known."),
  ),
  tidegate_bus_losses_of_unknown_size_total: planned(
    counter("Losses of ephemeral messages whose number is not known."),
  ),
  tidegate_bus_ephemeral_old_total: planned(
    counter("Ephemeral messages that were dropped as repeated or late."),
  ),
  tidegate_bus_ephemeral_untracked_total: planned(
    counter("Ephemeral messages that are not counted: too many origins."),
  ),
  tidegate_bus_tails_total: planned(counter("Tails of ephemeral rooms that were announced.")),
  tidegate_bus_origins: planned(gauge("Processes whose ephemeral messages are counted.")),
  tidegate_bus_origins_died_total: planned(counter("Of these, processes that ended unseen.")),
} as const satisfies Readonly<Record<string, MetricRow>>;
