/**
 * Gateways that tests drain: real processes on one NATS, each with an address of its own.
 */
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { onTestFinished, vi } from "vitest";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";

/** The first of `count` ports in a row on which nobody listens now. */
export async function freePort(count = 1): Promise<number> {
  for (;;) {
    const first = await probePort(0);
    const rest = Array.from({ length: count - 1 }, (_, i) => probePort(first + i + 1));
    if (!(await Promise.all(rest)).includes(0)) return first;
  }
}

/** The port when it is free, 0 when it is not. */
async function probePort(port: number): Promise<number> {
  const probe = createServer();
  probe.listen(port, "127.0.0.1");
  try {
    await once(probe, "listening");
  } catch {
    return 0; // somebody listens there
  }
  const { port: found } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return found;
}

/** A gateway with its ADVERTISE_URL, unless `env` says otherwise; ends with the test. */
export async function startGateway(
  natsUrls: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const port = await freePort();
  const server = await startServer({
    port,
    env: {
      NATS_URL: natsUrls.join(","),
      ADVERTISE_URL: `ws://127.0.0.1:${port}/ws`,
      DRAIN_ANNOUNCE_MS: "0",
      DRAIN_DEADLINE_MS: "30000",
      ...env,
    },
  });
  onTestFinished(async () => {
    await server.kill(); // a drain would only take time now
    await server.close();
  });
  return server;
}

/**
 * A gateway to drain, and another one that it knows: that starts first, since each reads of those
 * that are there when it starts, and again 5 s later.
 */
export async function startPair(
  natsUrls: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<[drained: Server, other: Server]> {
  const other = await startGateway(natsUrls);
  const drained = await startGateway(natsUrls, env);
  await vi.waitUntil(async () => (await targetsOf(drained)).includes(other.url), 30_000);
  return [drained, other];
}

/** Resolves when every gateway gives its newcomers the addresses of all others. */
export async function waitForTargets(servers: readonly Server[]): Promise<void> {
  for (const server of servers) {
    const others = servers.filter((each) => each !== server).map(({ url }) => url);
    const knowsAll = async () => {
      const targets = await targetsOf(server);
      return others.every((url) => targets.includes(url));
    };
    await vi.waitUntil(knowsAll, { timeout: 30_000, interval: 100 });
  }
}

/** The /health of a gateway. */
export async function healthOf(server: Server): Promise<{
  readonly status: string;
  readonly connections: number;
  readonly drain: {
    readonly state: string;
    readonly name?: string;
    readonly told?: number;
    readonly left_ms?: number;
  };
}> {
  return (await fetch(`${server.http}/health`)).json() as never;
}

async function targetsOf(server: Server): Promise<readonly string[]> {
  const client = await RawClient.open(server.port);
  client.socket.terminate();
  return client.welcome?.targets ?? [];
}
