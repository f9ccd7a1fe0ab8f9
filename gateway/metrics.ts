/**
 * What a gateway tells a Prometheus: its text format, version 0.0.4.
 *
 * Pure. Every series names its gateway, so that a parent can join the texts of its workers.
 */
import { edgeFamilies } from "./edge/edge-metrics.ts";
import { flagFamilies } from "./flags/flag-metrics.ts";
import type { HealthFacts } from "./health.ts";

/** What is told. */
export type MetricFacts = Pick<
  HealthFacts,
  | "gatewayId"
  | "connectionCount"
  | "memberCount"
  | "fannedOutCount"
  | "laggedCount"
  | "lossCount"
  | "limits"
  | "overload"
  | "admission"
  | "flags"
  | "config"
  | "edge"
>;

/** One family: name without "tidegate_", type, help, and its value or values by label. */
export type MetricFamily = readonly [
  name: string,
  type: "gauge" | "counter",
  help: string,
  value: number | Readonly<Record<string, number>>,
];

/** The text of /metrics; more families of other parts may be given. */
export function gatewayMetrics(facts: MetricFacts, more: readonly MetricFamily[] = []): string {
  const lines = [...families(facts), ...more].flatMap(([name, type, help, value]) => {
    const full = `tidegate_${name}`;
    const rows = typeof value === "number" ? { "": value } : value;
    const samples = Object.entries(rows).map(([label, each]) => {
      const labels = label === "" ? "" : `,${label}`;
      return `${full}{gateway="${facts.gatewayId}"${labels}} ${Math.round(each * 1e4) / 1e4}`;
    });
    return [`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`, ...samples];
  });
  return `${lines.join("\n")}\n`;
}

function families(facts: MetricFacts): MetricFamily[] {
  const { limits, overload, admission } = facts;
  const { reading } = overload;
  return [
    ["connections", "gauge", "Open connections.", facts.connectionCount],
    ["members", "gauge", "Members of rooms.", facts.memberCount],
    ["messages_fanned_out_total", "counter", "Messages handed to members.", facts.fannedOutCount],
    ["slow_members_total", "counter", "Times a slow socket was taken aside.", facts.laggedCount],
    ["bus_losses_told_total", "counter", "Times members heard of a loss.", facts.lossCount],
    ["rate_refusals_total", "counter", "Refusals for a rate.", limits.refused ?? 0],
    ["blocks_total", "counter", "Clients that were blocked.", limits.blocked ?? 0],
    ["overload_level", "gauge", "0 nothing is shed, 1 connects, 2 anonymous.", overload.level],
    ["loop_delay_ms", "gauge", "What timers are late on average.", reading.loopDelayMs],
    ["memory_share", "gauge", "Of memory or heap, 1 is full.", reading.memoryShare],
    ["bus_lag_ms", "gauge", "What the bus takes to answer.", reading.busLagMs],
    [
      "shed_total",
      "counter",
      "What was refused under overload.",
      {
        'what="connects"': overload.shedConnectCount,
        'what="publishes"': overload.shedPublishCount,
      },
    ],
    ["admission_rate", "gauge", "Hellos a second that may pass.", admission.ratePerS],
    ["admission_waiting", "gauge", "Hellos that wait for their turn.", admission.waitingCount],
    ["admission_waited_total", "counter", "Hellos that waited.", admission.waitedCount],
    ["admission_refused_total", "counter", "Hellos told to come again.", admission.refusedCount],
    ...edgeFamilies(facts.edge),
    ...flagFamilies(facts.flags, facts.config.ageMs),
  ];
}
