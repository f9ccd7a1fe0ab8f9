/**
 * What a parent says about its children: ready when at least one worker is.
 *
 * Pure.
 */
import type { AdminHealth } from "./admin.ts";
import type { ChildEnd, ChildSpec, ChildState } from "./child.ts";

/** What is known of a child. */
export interface ChildFacts {
  readonly spec: ChildSpec;
  readonly state: ChildState;
  readonly pid: number | null;
  readonly restartCount: number;
  readonly lastEnd: ChildEnd | null;
  /** Its own /health; null when it does not answer. */
  readonly health: ChildHealth | null;
}

/** The /health of a child, as it came. */
export type ChildHealth = Readonly<Record<string, unknown>>;

/** What is known of the parent. */
export interface ParentFacts {
  readonly isStopping: boolean;
  readonly version: string;
  /** Version of Node, without "v". */
  readonly nodeVersion: string;
  readonly pid: number;
  readonly uptimeS: number;
  readonly rssBytes: number;
}

/** Numbers of a worker's /health that add up. */
const summedNames = [
  "connections",
  "rooms",
  "members",
  "publish_lanes",
  "messages_fanned_out",
  "slow_member_events",
  "bus_losses_told",
] as const;

/** The aggregated health. */
export function decideFleetHealth(
  children: readonly ChildFacts[],
  parent: ParentFacts,
): AdminHealth {
  const workers = children.filter(({ spec }) => spec.role === "gateway");
  const isReady = workers.some(isOk) && !parent.isStopping;
  const sums = Object.fromEntries(
    summedNames.map((name) => [name, sum(workers.map(({ health }) => health?.[name]))]),
  );
  const memories = children.map(({ health }) => {
    const memory = health?.memory as { rss_bytes?: unknown } | undefined;
    return memory?.rss_bytes;
  });
  const body = {
    status: decideStatus(children, parent.isStopping),
    workers_ready: workers.filter(isOk).length,
    version: parent.version,
    versions: { tidegate: parent.version, node: parent.nodeVersion },
    pid: parent.pid,
    uptime_s: Math.round(parent.uptimeS * 10) / 10,
    config: { age_ms: oldestConfigMs(workers) },
    sums: { ...sums, rss_bytes: parent.rssBytes + sum(memories) },
    workers: workers.map(describeChild),
    controlplanes: children.filter(({ spec }) => spec.role !== "gateway").map(describeChild),
  };
  return { isReady, body };
}

/**
 * "ok" when all are; "degraded" when a worker is ready, and something is not. When no worker is:
 * "full" when one of them only lacks room, else "unavailable".
 */
function decideStatus(children: readonly ChildFacts[], isStopping: boolean): string {
  if (isStopping) return "stopping";
  const workers = children.filter(({ spec }) => spec.role === "gateway");
  if (workers.some(isOk)) return children.every(isOk) ? "ok" : "degraded";
  return workers.some(({ health }) => health?.status === "full") ? "full" : "unavailable";
}

/** Age of the oldest configuration that a worker works by, ms; null when none says. */
function oldestConfigMs(workers: readonly ChildFacts[]): number | null {
  const ages = workers.flatMap(({ health }) => {
    const age = (health?.config as { age_ms?: unknown } | undefined)?.age_ms;
    return typeof age === "number" ? [age] : [];
  });
  return ages.length === 0 ? null : Math.max(...ages);
}

function isOk({ state, health }: ChildFacts): boolean {
  return state === "ready" && health?.status === "ok";
}

function describeChild({ spec, state, pid, restartCount, lastEnd, health }: ChildFacts) {
  const isSilent = state === "ready" && health === null;
  return {
    id: spec.id,
    pid,
    state: isSilent ? "silent" : state,
    restarts: restartCount,
    last_end:
      lastEnd === null
        ? null
        : { code: lastEnd.code, signal: lastEnd.signal, at: new Date(lastEnd.atMs).toISOString() },
    health,
  };
}

function sum(values: readonly unknown[]): number {
  let total = 0;
  for (const value of values) if (typeof value === "number") total += value;
  return total;
}
