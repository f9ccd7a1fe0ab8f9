/**
 * What /readyz and /health say, from plain facts.
 *
 * Pure. Ready is who is on the bus, has its configuration, stays, and has room; nothing of that
 * concerns /livez, which says no more than that the event loop runs.
 */
import type { BusStatus } from "../bus/bus.ts";
import type { KeyStatus } from "./auth/key-source.ts";
import type { ConfigStatus } from "./control-link/config.ts";
import type { DrainStatus } from "./drain/drain.ts";
import type { EdgeStatus } from "./edge/client-port.ts";
import { SUBPROTOCOL } from "./edge/subprotocol.ts";
import type { FlagStatus } from "./flags/client-flags.ts";
import type { Health } from "./http.ts";
import type { AdmissionStatus } from "./overload/admission.ts";
import type { OverloadStatus } from "./overload/overload.ts";

/** What readiness depends on. */
export interface ReadyFacts {
  readonly isStopping: boolean;
  readonly drain: Pick<DrainStatus, "state">;
  readonly bus: Pick<BusStatus, "isConnected">;
  readonly config: Pick<ConfigStatus, "isReceived">;
  readonly connectionCount: number;
  /** CONNECTION_COUNT_MAX. */
  readonly connectionCountMax: number;
}

/** Counters and state of a gateway. */
export interface HealthFacts extends ReadyFacts {
  readonly drain: DrainStatus;
  readonly bus: BusStatus;
  readonly config: ConfigStatus;
  readonly edge: EdgeStatus;
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

/** What is known of the process. */
export interface ProcessFacts {
  /** As process.memoryUsage() gives it, bytes. */
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number };
  /** Since it started, seconds. */
  readonly uptimeS: number;
  /** Version of Node, without "v". */
  readonly nodeVersion: string;
}

/** The JSON of /health. */
export function decideHealth(facts: HealthFacts, process: ProcessFacts): Health {
  const { memory, uptimeS, nodeVersion } = process;
  return {
    status: decideStatus(facts),
    ready: describeReadiness(facts),
    version: facts.version,
    versions: { tidegate: facts.version, node: nodeVersion, protocol: SUBPROTOCOL },
    gateway: facts.gatewayId,
    uptime_s: Math.round(uptimeS * 10) / 10,
    connections: facts.connectionCount,
    connections_max: facts.connectionCountMax,
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

function describeConfig({ isReceived, version, ageMs, trouble, link }: ConfigStatus) {
  return {
    received: isReceived,
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

/**
 * Where a gateway stands: ready is who is "ok" alone, and the first thing that is in the way names
 * the status. One that announces its drain is not ready, though it still accepts.
 */
export function decideStatus(facts: ReadyFacts): Health["status"] {
  if (facts.isStopping) return "stopping";
  const { bus, configuration, not_draining, below_connection_limit } = describeReadiness(facts);
  if (!not_draining) return "draining";
  if (!configuration) return "starting";
  if (!bus) return "degraded";
  return below_connection_limit ? "ok" : "full";
}

/** Each thing that a gateway which is ready has. */
function describeReadiness(facts: ReadyFacts) {
  const { isStopping, drain, bus, config, connectionCount, connectionCountMax } = facts;
  return {
    bus: bus.isConnected,
    configuration: config.isReceived,
    not_draining: !isStopping && drain.state === "serving",
    below_connection_limit: connectionCount < connectionCountMax,
  };
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
