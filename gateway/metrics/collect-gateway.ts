/**
 * What a gateway tells of itself at each reading of its metrics.
 *
 * Sums and copies of numbers that its parts keep; nothing here is proportional to rooms or members.
 */
import type { ErrorCode } from "../../proto/coded-error.ts";
import { ERRORS } from "../../proto/gen/errors.ts";
import type { MetricSink } from "../../telemetry/metrics/registry.ts";
import type { DrainStatus } from "../drain/drain.ts";
import type { EdgeStatus } from "../edge/client-port.ts";
import { collectFlags } from "../flags/flag-metrics.ts";
import type { HealthFacts } from "../health.ts";
import type { ClientMeter } from "./client-meter.ts";
import type { MessageMeter } from "./message-meter.ts";
import type { Meters } from "./meters.ts";

/** What is told beside the facts of /health. */
export interface GatewayReadings {
  readonly meters: Meters;
  readonly openedCount: number;
  readonly slowCount: number;
  readonly holdingCount: number;
  /** Permits of leased limits, of all tenants. */
  readonly permits: Readonly<Record<string, { readonly held: number; readonly used: number }>>;
  /** Resident memory, bytes: now, when it began to listen, and what there may be. */
  readonly memory: { readonly rss: number; readonly atStart: number; readonly max: number };
}

/** Below so many connections their share of the memory says nothing. */
const MEMORY_CONNECTIONS_MIN = 1000;
/** What ours or the bus's fault is; all else is a client's, a limit's, or a drain's. */
const serverFaults: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["BUS_ACCESS_DENIED", "BUS_UNSUITABLE", "GATEWAY_NOT_READY", "INTERNAL"] as const),
  ...(["OUTCOME_UNKNOWN", "OVERLOADED", "STORE_CORRUPT", "STORE_FULL"] as const),
  ...(["UNAVAILABLE", "UNCONFIRMED"] as const),
]);

/** Writes all of it. */
export function collectGateway(
  sink: MetricSink,
  facts: HealthFacts,
  readings: GatewayReadings,
): void {
  const { meters } = readings;
  collectConnections(sink, facts, readings);
  collectMessages(sink, meters.messages);
  collectClients(sink, meters.clients);
  collectGuards(sink, facts);
  collectAccess(sink, facts, readings);
  collectFlags(sink, facts.flags, facts.config.ageMs);
  collectConfig(sink, facts);
  collectDrain(sink, facts.drain);
  collectEdge(sink, facts.edge);
}

function collectConnections(
  sink: MetricSink,
  facts: HealthFacts,
  { meters, openedCount, slowCount, holdingCount, memory }: GatewayReadings,
): void {
  const { connectionCount, connectionCountMax } = facts;
  sink.put("tidegate_connections", connectionCount);
  sink.put("tidegate_connections_max", connectionCountMax);
  sink.put("tidegate_connections_opened_total", openedCount);
  const { closes, closedCount, connecting } = meters.clients;
  let byUs = 0;
  for (const [code, count] of closes) {
    byUs += count;
    sink.put("tidegate_connections_closed_total", count, { code });
  }
  // What the gateway has closed may not have ended yet.
  const byClients = Math.max(0, closedCount - byUs);
  sink.put("tidegate_connections_closed_total", byClients, { code: "client" });
  sink.put("tidegate_connection_latency_seconds", connecting);
  const isKnown = connectionCount >= MEMORY_CONNECTIONS_MIN;
  const each = isKnown ? Math.max(0, memory.rss - memory.atStart) / connectionCount : 0;
  sink.put("tidegate_memory_per_connection_bytes", Math.round(each));
  const budget = Math.max(0, memory.max - memory.atStart) / connectionCountMax;
  sink.put("tidegate_memory_per_connection_budget_bytes", Math.round(budget));
  sink.put("tidegate_rooms", facts.roomCount);
  sink.put("tidegate_members", facts.memberCount);
  sink.put("tidegate_publish_lanes", facts.laneCount);
  sink.put("tidegate_slow_members_total", facts.laggedCount);
  sink.put("tidegate_slow_connections", slowCount);
  sink.put("tidegate_held_answers", holdingCount);
}

function collectMessages(sink: MetricSink, meter: MessageMeter): void {
  let fillCount = 0;
  let voidCount = 0;
  for (const [name, each] of meter.classes) {
    const byHop = [
      ["ingress", each.ingressCount, each.ingressBytes],
      ["bus_publish", each.publishedCount, each.publishedBytes],
      ["bus_deliver", each.receivedCount, each.receivedBytes],
      ["fanout", each.fannedOutCount, each.fannedOutBytes],
    ] as const;
    for (const [hop, count, bytes] of byHop) {
      sink.put("tidegate_messages_total", count, { class: name, hop });
      sink.put("tidegate_message_bytes_total", bytes, { class: name, hop });
    }
    sink.put("tidegate_deliveries_total", each.deliveryCount, { class: name });
    sink.put("tidegate_delivery_bytes_total", each.deliveryBytes, { class: name });
    sink.put("tidegate_joins_total", each.joinCount, { class: name });
    fillCount += each.fillCount;
    voidCount += each.voidCount;
  }
  sink.put("tidegate_fills_total", fillCount);
  sink.put("tidegate_messages_skipped_total", voidCount, { hop: "fanout", reason: "void" });
  const { lost, gaps } = meter;
  sink.put("tidegate_messages_lost_total", lost.bus_deliver, { hop: "bus_deliver", reason: "bus" });
  sink.put("tidegate_messages_lost_total", lost.fanout, { hop: "fanout", reason: "slow_member" });
  for (const hop of ["bus_deliver", "fanout"] as const) {
    for (const [reason, count] of Object.entries(gaps[hop])) {
      sink.put("tidegate_gaps_total", count, { hop, reason });
    }
  }
  const { ingress, published, received, fannedOut, delivery } = meter;
  const hops = { ingress, bus_publish: published, bus_deliver: received, fanout: fannedOut };
  for (const [hop, { histogram }] of Object.entries(hops)) {
    sink.put("tidegate_hop_latency_seconds", histogram, { hop });
  }
  sink.put("tidegate_delivery_latency_seconds", delivery.histogram);
  const skewed = { ingress, bus_deliver: received, fanout: delivery };
  for (const [hop, { skewedCount }] of Object.entries(skewed)) {
    sink.put("tidegate_clock_skewed_samples_total", skewedCount, { hop });
  }
}

function collectClients(sink: MetricSink, meter: ClientMeter): void {
  const { flagExposures, ...requests } = meter.requests;
  sink.putEach("tidegate_requests_total", { ...requests, flag_exposures: flagExposures });
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const fault = serverFaults.has(code) ? "server" : "client";
    sink.put("tidegate_errors_total", meter.errors.get(code) ?? 0, { code, fault });
  }
  sink.putEach("tidegate_limit_refusals_total", Object.fromEntries(meter.limitRefusals));
  sink.putEach("tidegate_resumes_total", meter.resumes);
  sink.putEach("tidegate_gate_decisions_total", meter.gates);
  const tokens = ["TOKEN_INVALID", "TOKEN_EXPIRED", "TOKEN_REVOKED"] as const;
  for (const code of tokens) {
    sink.put("tidegate_token_refusals_total", meter.errors.get(code) ?? 0, { code });
  }
}

function collectGuards(sink: MetricSink, { limits, overload, admission }: HealthFacts): void {
  sink.put("tidegate_blocks_total", limits.blocked ?? 0);
  sink.put("tidegate_blocked", limits.blocks ?? 0);
  sink.put("tidegate_rate_buckets", limits.buckets ?? 0);
  sink.put("tidegate_overload_level", overload.level);
  sink.put("tidegate_memory_ratio", overload.reading.memoryShare);
  sink.putEach("tidegate_shed_total", {
    connects: overload.shedConnectCount,
    publishes: overload.shedPublishCount,
  });
  sink.put("tidegate_admission_rate", admission.ratePerS);
  sink.put("tidegate_admission_waiting", admission.waitingCount);
  sink.put("tidegate_admission_waited_total", admission.waitedCount);
  sink.put("tidegate_admission_refused_total", admission.refusedCount);
}

function collectAccess(sink: MetricSink, facts: HealthFacts, { permits }: GatewayReadings): void {
  const { seats, gates, keys } = facts;
  sink.put("tidegate_seat_connections", seats.connections ?? 0);
  sink.put("tidegate_seats_waiting", seats.held ?? 0);
  sink.put("tidegate_seat_refusals_total", seats.refused ?? 0);
  sink.put("tidegate_seat_takeovers_total", seats.taken_over ?? 0);
  for (const [limit, { held, used }] of Object.entries(permits)) {
    sink.put("tidegate_quota_permits", held, { limit, state: "held" });
    sink.put("tidegate_quota_permits", used, { limit, state: "used" });
  }
  sink.put("tidegate_gates", gates.count ?? 0);
  sink.put("tidegate_tokens_ending", facts.endingTokenCount);
  sink.put("tidegate_revocations", facts.revocationCount);
  if (keys === null) return;
  sink.put("tidegate_token_keys", keys.count);
  sink.put("tidegate_token_keys_age_seconds", keys.ageMs / 1000);
  sink.put("tidegate_token_keys_trouble", Number(keys.trouble !== ""));
}

function collectConfig(sink: MetricSink, { config }: HealthFacts): void {
  sink.put("tidegate_config_age_seconds", config.ageMs / 1000);
  sink.put("tidegate_config_version", config.version);
  sink.put("tidegate_config_trouble", Number(config.trouble !== ""));
  if (config.link === null) return;
  sink.put("tidegate_control_plane_connected", Number(config.link.isConnected));
}

function collectDrain(sink: MetricSink, drain: DrainStatus): void {
  for (const state of ["serving", "announcing", "draining", "drained"] as const) {
    sink.put("tidegate_drain_state", Number(drain.state === state), { state });
  }
  sink.put("tidegate_drain_left_seconds", drain.leftMs / 1000);
  sink.put("tidegate_drain_age_seconds", drain.ageMs / 1000);
  sink.put("tidegate_drain_told_total", drain.toldCount);
  sink.put("tidegate_drain_forced_total", drain.forcedCount);
}

function collectEdge(sink: MetricSink, { door, certificate }: EdgeStatus): void {
  sink.putEach("tidegate_door_refusals_total", {
    flood: door.floodRefusals,
    policy: door.policyRefusals,
  });
  if (certificate === null) return;
  sink.put("tidegate_certificate_not_after_seconds", certificate.notAfterMs / 1000);
  sink.put("tidegate_certificate_reloads_total", certificate.reloadCount);
  sink.put("tidegate_certificate_trouble", Number(certificate.trouble !== ""));
}
