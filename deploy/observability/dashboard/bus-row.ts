/**
 * The dashboard's row of the bus, and of what shards store. On the embedded bus a part is empty.
 *
 * Pure.
 */
import { type Row, rateBy } from "./panel.ts";

const job = 'job="$job"';

/** The bus. */
export const BUS_ROW: Row = {
  title: "Bus",
  panels: [
    {
      title: "Connected",
      about: "1: messages are passed on; 0: cut off.",
      unit: "count",
      queries: [[`tidegate_bus_connected{${job}}`, "{{gateway}}"]],
    },
    {
      title: "Lag",
      about: "What the bus takes to answer, normally a millisecond.",
      unit: "seconds",
      alertFrom: 0.25,
      queries: [[`tidegate_bus_lag_seconds{${job}}`, "{{gateway}}"]],
    },
    {
      title: "Disconnects and troubles",
      about: "Lost connections to NATS, and what should not happen (docs/nats.md).",
      unit: "count",
      queries: [
        [
          `sum by (gateway) (increase(tidegate_bus_disconnects_total{${job}}[$__rate_interval]))`,
          "disconnects, {{gateway}}",
        ],
        [
          `sum by (kind) (increase(tidegate_bus_troubles_total{${job}}[$__rate_interval]))`,
          "{{kind}}",
        ],
      ],
    },
    {
      title: "Received",
      about: "Messages that came from NATS; for nobody: a slot is subscribed as a whole.",
      unit: "messagesPerSecond",
      queries: [
        [rateBy("tidegate_bus_received_total", job, "gateway"), "{{gateway}}"],
        [
          rateBy("tidegate_bus_received_for_nobody_total", job, "gateway"),
          "for nobody, {{gateway}}",
        ],
      ],
    },
    {
      title: "Subscriptions",
      about: "Rooms that are subscribed one by one, and slots as a whole.",
      unit: "count",
      queries: [
        [`tidegate_bus_subscriptions{${job}}`, "rooms, {{gateway}}"],
        [`tidegate_bus_slot_subscriptions{${job}}`, "slots, {{gateway}}"],
      ],
    },
    {
      title: "Ephemeral messages lost between processes",
      about: "Members were told: by number, or that some are missing.",
      unit: "perSecond",
      queries: [
        [rateBy("tidegate_bus_ephemeral_lost_total", job), "lost"],
        [rateBy("tidegate_bus_losses_of_unknown_size_total", job), "losses of unknown size"],
      ],
    },
    {
      title: "Shards, how full",
      about: "Bytes stored beside what a shard may store; at 0.95 publishes are refused.",
      unit: "ratio",
      alertFrom: 0.85,
      queries: [
        [
          `max by (shard) (tidegate_stream_bytes{${job}}) / max by (shard) (tidegate_stream_bytes_max{${job}})`,
          "{{shard}}",
        ],
      ],
    },
    {
      title: "Messages stored",
      about: "Messages that each shard stores.",
      unit: "count",
      queries: [[`max by (shard) (tidegate_stream_messages{${job}})`, "{{shard}}"]],
    },
  ],
};
