/** The health of a process that runs a control plane alone. */
import { expect, test } from "vitest";
import { decideControlHealth } from "../../controlplane/process-health.ts";

const facts = {
  ...{ isStopping: false, bus: { isConnected: true, detail: "nats" } },
  ...{ version: "1.2.3", nodeVersion: "22.1.0", rssBytes: 50, uptimeS: 1.26 },
};

test("every fact, under the names that a gateway uses", () => {
  expect(decideControlHealth(facts)).toEqual({
    status: "ok",
    ready: { bus: true, not_stopping: true },
    version: "1.2.3",
    versions: { tidegate: "1.2.3", node: "22.1.0" },
    uptime_s: 1.3,
    memory: { rss_bytes: 50 },
    bus: { connected: true, detail: "nats" },
  });
});

test("not ready without a bus, and when it ends", () => {
  const bus = { isConnected: false, detail: "" };
  const away = decideControlHealth({ ...facts, bus });
  expect([away.status, away.ready.bus]).toEqual(["degraded", false]);
  expect(decideControlHealth({ ...facts, bus, isStopping: true }).status).toBe("stopping");
});
