/** What /health says of plain facts. */
import { expect, test } from "vitest";
import { decideHealth, decideStatus, type HealthFacts } from "../../gateway/health.ts";

const facts: HealthFacts = {
  isStopping: false,
  drain: {
    ...{ state: "serving", name: "", firstCount: 0, ageMs: 0, leftMs: 0 },
    ...{ toldCount: 0, forcedCount: 0, stuckSinceMs: null },
  },
  bus: { isConnected: true, detail: "store in data", counters: { lost: 7 }, troubles: {} },
  flags: {
    ...{ setCount: 1, flagCount: 3, clientFlagCount: 2, isStale: true, toldCount: 5 },
    ...{
      conflicts: [],
      isLive: true,
      countsExposures: true,
      ackWindowMs: 10,
      exposures: [],
      decisions: {},
    },
  },
  config: { isReceived: true, version: 9, ageMs: 1.6, trouble: "", link: null },
  edge: {
    door: { floodRefusals: 6, policyRefusals: 8 },
    certificate: {
      ...{ notAfterMs: 86_400_000, fingerprint: "ab", reloadCount: 2, generationCount: 3 },
      trouble: "t",
    },
  },
  ...{ connectionCount: 3, connectionCountMax: 10 },
  roomCount: 2,
  memberCount: 5,
  laneCount: 1,
  fannedOutCount: 70,
  laggedCount: 4,
  lossCount: 6,
  ...{ endingTokenCount: 6, revocationCount: 7 },
  keys: { count: 2, ageMs: 5, trouble: "down" },
  seats: { connections: 2, held: 1, refused: 3, taken_over: 4 },
  gates: { count: 2, refused: 5 },
  limits: { refused: 1 },
  overload: {
    ...{ level: 1, sheds: "connects", cause: "loopDelayMs" },
    reading: { loopDelayMs: 120.44, memoryShare: 0.51234, busLagMs: 0.66 },
    ...{ shedConnectCount: 8, shedPublishCount: 9 },
  },
  admission: { ratePerS: 500, waitingCount: 3, waitedCount: 40, refusedCount: 5 },
  version: "1.2.3",
  gatewayId: "gw",
};
const ownProcess = {
  memory: { rss: 100, heapUsed: 50, external: 25 },
  ...{ uptimeS: 12.345, nodeVersion: "22.1.0" },
};

test("decideHealth: every fact, under the names that operators read", () => {
  expect(decideHealth(facts, ownProcess)).toEqual({
    status: "ok",
    ready: { bus: true, configuration: true, not_draining: true, below_connection_limit: true },
    version: "1.2.3",
    versions: { tidegate: "1.2.3", node: "22.1.0", protocol: "tidegate.v1" },
    gateway: "gw",
    uptime_s: 12.3,
    ...{ connections: 3, connections_max: 10 },
    rooms: 2,
    members: 5,
    publish_lanes: 1,
    messages_fanned_out: 70,
    slow_member_events: 4,
    bus_losses_told: 6,
    seats: { connections: 2, held: 1, refused: 3, taken_over: 4 },
    gates: { count: 2, refused: 5 },
    limits: { refused: 1 },
    flags: {
      ...{ sets: 1, flags: 3, for_clients: 2, told_live: 5, stale: true, conflicts: [] },
      system: { live: true, exposures: true, ack_window_ms: 10 },
    },
    overload: {
      ...{ level: 1, sheds: "connects", cause: "loopDelayMs" },
      ...{ loop_delay_ms: 120.4, memory_share: 0.512, bus_lag_ms: 0.7 },
      ...{ shed_connects: 8, shed_publishes: 9 },
    },
    admission: { rate_per_s: 500, waiting: 3, waited: 40, refused: 5 },
    drain: { state: "serving" },
    memory: { rss_bytes: 100, heap_used_bytes: 50, external_bytes: 25 },
    bus: { connected: true, detail: "store in data", lost: 7, troubles: {} },
    config: { received: true, version: 9, age_ms: 2, trouble: "", control_plane: null },
    tokens: { ending: 6, revocations: 7 },
    token_keys: { count: 2, age_ms: 5, trouble: "down" },
    edge: {
      ...{ flood_refusals: 6, policy_refusals: 8 },
      tls: {
        ...{ not_after: "1970-01-02T00:00:00.000Z", sha256: "ab", reloads: 2, generations: 3 },
        trouble: "t",
      },
    },
  });
});

const away = { bus: { isConnected: false, detail: "gone" } };
const unconfigured = { config: { ...facts.config, isReceived: false } };
const full = { connectionCount: 10 };
const announcing = { drain: { ...facts.drain, state: "announcing" as const } };

test.each([
  ["on the bus, configured, with room", {}, "ok"],
  ["one place is left", { connectionCount: 9 }, "ok"],
  ["the bus is away", away, "degraded"],
  ["its configuration has not come", unconfigured, "starting"],
  ["at its connection limit", full, "full"],
  ["above it", { connectionCount: 11 }, "full"],
  ["its drain is announced", announcing, "draining"],
  ["drained", { drain: { ...facts.drain, state: "drained" as const } }, "draining"],
  ["it ends", { isStopping: true }, "stopping"],
  ["no bus and full", { ...away, ...full }, "degraded"],
  ["drains without a bus", { ...away, ...announcing }, "draining"],
  ["ends without a bus", { ...away, ...announcing, isStopping: true }, "stopping"],
])("readiness: %s", (_name, changes, status) => {
  expect(decideStatus({ ...facts, ...changes })).toBe(status);
});

test("/health names every condition of readiness that is not met", () => {
  const health = decideHealth({ ...facts, ...away, ...unconfigured, ...full }, ownProcess);
  expect(health.ready).toEqual({
    ...{ bus: false, configuration: false, not_draining: true, below_connection_limit: false },
  });
  expect(decideHealth({ ...facts, isStopping: true }, ownProcess).ready).toMatchObject({
    not_draining: false,
  });
});
