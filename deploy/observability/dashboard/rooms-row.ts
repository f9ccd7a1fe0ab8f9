/**
 * The dashboard's row of rooms, by their classes: no metric names a room.
 *
 * Pure. Single rooms: `tidegatectl rooms list`.
 */
import { type Row, rateBy } from "./panel.ts";

const job = 'job="$job"';
const some = 'job="$job", class=~"$class"';

/** Rooms. */
export const ROOMS_ROW: Row = {
  title: "Rooms",
  panels: [
    {
      title: "Rooms with members",
      about: "By gateway; a room with members on two gateways counts twice.",
      unit: "count",
      queries: [[`tidegate_rooms{${job}}`, "{{gateway}}"]],
    },
    {
      title: "Published by class",
      about: "Messages that clients publish.",
      unit: "messagesPerSecond",
      queries: [
        [rateBy("tidegate_messages_total", `${some}, hop="ingress"`, "class"), "{{class}}"],
      ],
    },
    {
      title: "Delivered by class",
      about: "Messages times members that they are handed out for.",
      unit: "messagesPerSecond",
      queries: [[rateBy("tidegate_deliveries_total", some, "class"), "{{class}}"]],
    },
    {
      title: "Bytes by class",
      about: "What clients send, and what is handed out.",
      unit: "bytesPerSecond",
      queries: [
        [
          rateBy("tidegate_message_bytes_total", `${some}, hop="ingress"`, "class"),
          "in, {{class}}",
        ],
        [rateBy("tidegate_delivery_bytes_total", some, "class"), "out, {{class}}"],
      ],
    },
    {
      title: "Joins",
      about: "Rooms that were joined, and those joined after a position, whole or not.",
      unit: "perSecond",
      queries: [
        [rateBy("tidegate_joins_total", some, "class"), "{{class}}"],
        [rateBy("tidegate_resumes_total", job, "recovered"), "resumed, recovered={{recovered}}"],
      ],
    },
    {
      title: "Fills and skips",
      about: "Rooms that read what they had missed, and messages that members must not see.",
      unit: "perSecond",
      queries: [
        [rateBy("tidegate_fills_total", job), "fills"],
        [rateBy("tidegate_messages_skipped_total", job, "reason"), "skipped: {{reason}}"],
      ],
    },
  ],
};
