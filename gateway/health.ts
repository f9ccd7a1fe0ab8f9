/**
 * What /health says, from plain facts.
 *
 * Pure.
 */
import type { BusStatus } from "../bus/bus.ts";
import type { KeyStatus } from "./auth/key-source.ts";
import type { ConfigStatus } from "./control-link/config.ts";
import type { DrainStatus } from "./drain/drain.ts";
import type { EdgeStatus } from "./edge/client-port.ts";
import type { FlagStatus } from "./flags/client-flags.ts";
import type { Health } from "./http.ts";
import type { AdmissionStatus } from "./overload/admission.ts";
import type { OverloadStatus } from "./overload/overload.ts";

/** Counters and state of a gateway. */
export interface HealthFacts {
  readonly isStopping: boolean;
  readonly drain: DrainStatus;
  readonly bus: BusStatus;
  readonly config: ConfigStatus;
  readonly edge: EdgeStatus;
  readonly connectionCount: number;
  /** Rooms with an interest on the bus. */
  readonly roomCount: number;
  /** Members of these rooms, and those that are joining. */
  readonly memberCount: number;
  /** Producers with publishes under way to durable rooms. */
  readonly laneCount: number;
  /** Messages handed to local members since the start. */
  readonly fannedOutCount: number;
  /** Times a slow socket left the fast lane. */
  readonly laggedCount: number;
  /** Times members of ephemeral rooms were told that the bus lost messages. */
  readonly lossCount: number;
  /** Connections under limits, broken ones whose seats wait, refusals, takeovers. */
  readonly seats: Readonly<Record<string, number>>;
  /** Connections whose token ends, and revocations that this gateway knows. */
  readonly endingTokenCount: number;
  readonly revocationCount: number;
  /** Of the keys that tokens are checked with; null where there are none. */
  readonly keys: KeyStatus | null;
  /** Refusals by rate, blocks, and what is kept for them. */
  readonly limits: Readonly<Record<string, number>>;
  readonly flags: FlagStatus;
  /** What is shed, and why. */
  readonly overload: OverloadStatus;
  /** How fast new clients come in. */
  readonly admission: AdmissionStatus;
  /** Version gates in force, and connections and joins that they refused. */
  readonly gates: Readonly<Record<string, number>>;
  readonly version: string;
  readonly gatewayId: string;
}

/**
 * The JSON of /health.
 *
 * @param memory as process.memoryUsage() gives it, bytes.
 * @param uptimeS seconds since the process started.
 */
export function decideHealth(
  facts: HealthFacts,
  memory: { rss: number; heapUsed: number; external: number },
  uptimeS: number,
): Health {
  return {
    status: decideStatus(facts),
    version: facts.version,
    gateway: facts.gatewayId,
    uptime_s: Math.round(uptimeS * 10) / 10,
    connections: facts.connectionCount,
    rooms: facts.roomCount,
    members: facts.memberCount,
    publish_lanes: facts.laneCount,
    messages_fanned_out: facts.fannedOutCount,
    slow_member_events: facts.laggedCount,
    bus_losses_told: facts.lossCount,
    seats: facts.seats,
    limits: facts.limits,
    gates: facts.gates,
    flags: describeFlags(facts.flags),
    overload: describeOverload(facts.overload),
    admission: describeAdmission(facts.admission),
    drain: describeDrain(facts.drain),
    memory: {
      rss_bytes: memory.rss,
      heap_used_bytes: memory.heapUsed,
      external_bytes: memory.external,
    },
    bus: {
      connected: facts.bus.isConnected,
      detail: facts.bus.detail,
      troubles: facts.bus.troubles ?? {},
      ...facts.bus.counters,
    },
    config: describeConfig(facts.config),
    tokens: { ending: facts.endingTokenCount, revocations: facts.revocationCount },
    token_keys: facts.keys && {
      ...{ count: facts.keys.count, age_ms: facts.keys.ageMs, trouble: facts.keys.trouble },
    },
    edge: describeEdge(facts.edge),
  };
}

function describeFlags(flags: FlagStatus): object {
  const { setCount, flagCount, clientFlagCount, toldCount, conflicts } = flags;
  const counts = { sets: setCount, flags: flagCount, for_clients: clientFlagCount };
  const system = {
    ...{ live: flags.isLive, exposures: flags.countsExposures, ack_window_ms: flags.ackWindowMs },
  };
  return { ...counts, told_live: toldCount, stale: flags.isStale, conflicts, system };
}

function describeOverload({ level, sheds, cause, reading, ...counts }: OverloadStatus): object {
  return {
    ...{ level, sheds, cause },
    loop_delay_ms: Math.round(reading.loopDelayMs * 10) / 10,
    memory_share: Math.round(reading.memoryShare * 1000) / 1000,
    bus_lag_ms: Math.round(reading.busLagMs * 10) / 10,
    shed_connects: counts.shedConnectCount,
    shed_publishes: counts.shedPublishCount,
  };
}

function describeAdmission(status: AdmissionStatus): object {
  return {
    rate_per_s: status.ratePerS,
    waiting: status.waitingCount,
    waited: status.waitedCount,
    refused: status.refusedCount,
  };
}

function describeConfig({ version, ageMs, trouble, link }: ConfigStatus) {
  return {
    version,
    age_ms: Math.round(ageMs),
    trouble,
    control_plane:
      link === null ? null : { url: link.url, connected: link.isConnected, detail: link.detail },
  };
}

function describeEdge({ door, certificate }: EdgeStatus) {
  return {
    flood_refusals: door.floodRefusals,
    policy_refusals: door.policyRefusals,
    tls:
      certificate === null
        ? null
        : {
            not_after: new Date(certificate.notAfterMs).toISOString(),
            sha256: certificate.fingerprint,
            reloads: certificate.reloadCount,
            generations: certificate.generationCount,
            trouble: certificate.trouble,
          },
  };
}

/** A gateway that announces its drain is not ready, though it still accepts. */
export function decideStatus({ isStopping, drain, bus }: HealthFacts): Health["status"] {
  if (isStopping) return "stopping";
  if (drain.state !== "serving") return "draining";
  return bus.isConnected ? "ok" : "degraded";
}

function describeDrain(status: DrainStatus): object {
  const { state, name, firstCount, toldCount, forcedCount, leftMs } = status;
  const counts = {
    connections_at_begin: firstCount,
    told: toldCount,
    closed_by_force: forcedCount,
  };
  return state === "serving" ? { state } : { state, name, ...counts, left_ms: leftMs };
}
