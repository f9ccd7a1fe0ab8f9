/**
 * The dashboard's first row, the whole fleet: whether users are served, and how full it is.
 *
 * Pure.
 */
import { type Panel, percentiles, type Row, rateBy } from "./panel.ts";

const job = 'job="$job"';

const numbers: readonly Panel[] = [
  {
    title: "Gateways",
    about: "Gateways that Prometheus reads.",
    unit: "count",
    kind: "number",
    queries: [[`count(tidegate_connections{${job}})`, "gateways"]],
  },
  {
    title: "Connections",
    about: "Open connections of all gateways.",
    unit: "count",
    kind: "number",
    queries: [[`sum(tidegate_connections{${job}})`, "connections"]],
  },
  {
    title: "Published",
    about: "Messages that clients publish, a second.",
    unit: "messagesPerSecond",
    kind: "number",
    queries: [[rateBy("tidegate_messages_total", `${job}, hop="ingress"`), "published"]],
  },
  {
    title: "Delivered",
    about: "Messages times members that they are handed out for, a second.",
    unit: "messagesPerSecond",
    kind: "number",
    queries: [[rateBy("tidegate_deliveries_total", job), "delivered"]],
  },
  {
    title: "Delivery, p99",
    about: "From the publisher's first try to the fan-out, 99 of 100 messages are faster.",
    unit: "seconds",
    kind: "number",
    queries: percentiles("tidegate_delivery_latency_seconds", job).slice(1),
  },
  {
    title: "Alerts",
    about: "Alerts that fire; docs/runbook.md has a section for each.",
    unit: "count",
    kind: "number",
    alertFrom: 1,
    queries: [
      [
        `count(ALERTS{alertname=~"Tidegate.*", alertstate="firing", job=~"$job|"}) or vector(0)`,
        "alerts",
      ],
    ],
  },
];

const traffic: readonly Panel[] = [
  {
    title: "Messages by hop",
    about: "One publish passes ingress and bus_publish once, then two hops in each gateway.",
    unit: "messagesPerSecond",
    queries: [[rateBy("tidegate_messages_total", job, "hop"), "{{hop}}"]],
  },
  {
    title: "Delivery latency",
    about: "From the publisher's first try to a gateway's fan-out; dots lead to traces.",
    unit: "seconds",
    hasExemplars: true,
    queries: percentiles("tidegate_delivery_latency_seconds", job),
  },
  {
    title: "Latency by hop",
    about: "What a message takes from the hop before to this one.",
    unit: "seconds",
    queries: percentiles("tidegate_hop_latency_seconds", job, "hop"),
  },
  {
    title: "Errors",
    about: "Part of the requests that fail by a fault of ours, and all errors by code.",
    unit: "ratio",
    alertFrom: 0.01,
    queries: [
      [
        `${rateBy("tidegate_errors_total", `${job}, fault="server"`)} / ` +
          rateBy("tidegate_requests_total", job),
        "of requests",
      ],
    ],
  },
  {
    title: "Errors by code",
    about: "Errors that clients were told of; docs/errors.md has what each means.",
    unit: "perSecond",
    queries: [[`${rateBy("tidegate_errors_total", job, "code")} > 0`, "{{code}}"]],
  },
  {
    title: "Gaps and losses",
    about: "Gaps that members were told of, and messages known to be lost: normally none.",
    unit: "perSecond",
    queries: [
      [rateBy("tidegate_gaps_total", job, "hop", "reason"), "gaps, {{hop}}: {{reason}}"],
      [rateBy("tidegate_messages_lost_total", job, "hop", "reason"), "lost, {{hop}}: {{reason}}"],
    ],
  },
];

const capacity: readonly Panel[] = [
  {
    title: "Connections of the most",
    about: "Connections of each gateway beside CONNECTION_COUNT_MAX.",
    unit: "ratio",
    alertFrom: 0.8,
    queries: [[`tidegate_connections{${job}} / tidegate_connections_max{${job}}`, "{{gateway}}"]],
  },
  {
    title: "Connection latency",
    about: "From the upgrade to Welcome.",
    unit: "seconds",
    alertFrom: 0.5,
    queries: percentiles("tidegate_connection_latency_seconds", job),
  },
  {
    title: "Memory per connection, of its budget",
    about: "At 1 the memory is full when all connections are there.",
    unit: "ratio",
    alertFrom: 0.8,
    queries: [
      [
        `tidegate_memory_per_connection_bytes{${job}} / tidegate_memory_per_connection_budget_bytes{${job}}`,
        "{{gateway}}",
      ],
    ],
  },
  {
    title: "Event loop delay, p99",
    about: "What timers are late; above 0.1 s a gateway begins to shed load.",
    unit: "seconds",
    queries: [[`tidegate_event_loop_delay_seconds{${job}, statistic="p99"}`, "{{gateway}}"]],
  },
  {
    title: "Overload",
    about: "0: nothing is shed, 1: new clients, 2: also anonymous ephemeral publishes.",
    unit: "count",
    alertFrom: 1,
    queries: [[`tidegate_overload_level{${job}}`, "{{gateway}}"]],
  },
  {
    title: "Refusals by limit",
    about: "What was refused, by the limit that was reached.",
    unit: "perSecond",
    queries: [[`${rateBy("tidegate_limit_refusals_total", job, "limit")} > 0`, "{{limit}}"]],
  },
];

/** The fleet. */
export const FLEET_ROW: Row = { title: "Fleet", panels: [...numbers, ...traffic, ...capacity] };
