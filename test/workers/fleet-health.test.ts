/** Aggregated health: ready while one worker is, and what stands in it. */
import { describe, expect, test } from "vitest";
import type { ChildState } from "../../workers/child.ts";
import { type ChildFacts, decideFleetHealth } from "../../workers/fleet-health.ts";

const parent = {
  ...{ isStopping: false, version: "1.0.0", nodeVersion: "22.1.0", pid: 1 },
  ...{ uptimeS: 12.34, rssBytes: 100 },
};

function child(
  id: string,
  state: ChildState,
  status: string | null,
  role: "gateway" | "controlplane" = "gateway",
): ChildFacts {
  const counts = { connections: 3, rooms: 2, memory: { rss_bytes: 50 } };
  return {
    spec: { id, role, flags: [] },
    state,
    pid: 7,
    restartCount: 0,
    lastEnd: null,
    health: status === null ? null : { status, ...counts },
  };
}

describe("status", () => {
  const plane = child("cp", "ready", "ok", "controlplane");
  test.each([
    ["all ok", [child("1", "ready", "ok"), plane], "ok", true],
    [
      "one is starting",
      [child("1", "ready", "ok"), child("2", "starting", null)],
      "degraded",
      true,
    ],
    ["one is silent", [child("1", "ready", "ok"), child("2", "ready", null)], "degraded", true],
    [
      "one has no bus",
      [child("1", "ready", "ok"), child("2", "ready", "degraded")],
      "degraded",
      true,
    ],
    [
      "no control plane",
      [child("1", "ready", "ok"), child("cp", "waiting", null, "controlplane")],
      "degraded",
      true,
    ],
    ["one is full", [child("1", "ready", "ok"), child("2", "ready", "full")], "degraded", true],
    [
      "none has room",
      [child("1", "ready", "full"), child("2", "ready", "degraded")],
      "full",
      false,
    ],
    ["none has a bus", [child("1", "ready", "degraded"), plane], "unavailable", false],
    [
      "none is there, a control plane is",
      [child("1", "waiting", null), plane],
      "unavailable",
      false,
    ],
  ] as const)("%s", (_name, children, status, isReady) => {
    const health = decideFleetHealth(children, parent);
    expect([health.body.status, health.isReady]).toEqual([status, isReady]);
  });

  test("stopping is not ready, though workers still are", () => {
    const health = decideFleetHealth([child("1", "ready", "ok")], { ...parent, isStopping: true });
    expect([health.body.status, health.isReady]).toEqual(["stopping", false]);
  });
});

test("counts of workers add up; a silent child counts nothing; what they say stands in it", () => {
  const lastEnd = { code: null, signal: "SIGKILL", atMs: 0 };
  const killed = { ...child("2", "ready", "ok"), lastEnd, restartCount: 4 };
  const silent = child("3", "ready", null);
  const { body } = decideFleetHealth([child("1", "ready", "ok"), killed, silent], parent);
  expect(body.sums).toMatchObject({ connections: 6, rooms: 4, members: 0, rss_bytes: 200 });
  expect(body).toMatchObject({
    ...{ uptime_s: 12.3, versions: { tidegate: "1.0.0", node: "22.1.0" }, workers_ready: 2 },
  });
  expect(body.workers).toMatchObject([
    { id: "1", state: "ready", restarts: 0, last_end: null },
    { id: "2", restarts: 4, last_end: { signal: "SIGKILL", at: "1970-01-01T00:00:00.000Z" } },
    { id: "3", state: "silent", health: null },
  ]);
});

test("the age of the configuration is that of the worker with the oldest", () => {
  const aged = (id: string, ageMs: number): ChildFacts => {
    const each = child(id, "ready", "ok");
    return { ...each, health: { ...each.health, config: { age_ms: ageMs } } };
  };
  const silent = child("3", "ready", null);
  const { body } = decideFleetHealth([aged("1", 20), aged("2", 9000), silent], parent);
  expect(body.config).toEqual({ age_ms: 9000 });
  expect(decideFleetHealth([silent], parent).body.config).toEqual({ age_ms: null });
});
