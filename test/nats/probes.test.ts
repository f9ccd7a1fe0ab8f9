/**
 * Probes of a real process whose bus ends, and of one whose event loop stands still: liveness is
 * about the second alone.
 */
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test, vi } from "vitest";
import {
  HealthClient,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

/** A loop that runs answers long before this, ms. */
const SILENT_MS = 1000;

test("the bus ends: not ready and not serving, but alive; frozen: no answer to liveness", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const server = await startServer({ env: { NATS_URL: nats.urls.join(",") } });
  onTestFinished(() => server.kill());
  const status = async (path: string) => {
    const signal = AbortSignal.timeout(SILENT_MS);
    return (await fetch(`${server.http}${path}`, { signal })).status;
  };
  const client = new HealthClient(server.grpc, credentials.createInsecure());
  onTestFinished(() => client.close());
  const served = async () => (await call(client, client.check, { service: "" })).status;
  expect([await status("/livez"), await status("/readyz")]).toEqual([200, 200]);
  expect(await served()).toBe(ServingStatus.SERVING);

  const [node] = nats.nodes;
  await node?.signal("SIGKILL");
  await vi.waitFor(async () => expect(await status("/readyz")).toBe(503), 20_000);
  expect(await served()).toBe(ServingStatus.NOT_SERVING);
  expect(await status("/livez")).toBe(200);

  process.kill(server.pid, "SIGSTOP");
  await expect(status("/livez")).rejects.toThrow("timeout");
  process.kill(server.pid, "SIGCONT");
  await vi.waitFor(async () => expect(await status("/livez")).toBe(200), 20_000);
}, 90_000);
