/** WORKERS as processes: one port, one health, children that come back, or go with the parent. */
import { readdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { LEASE_BUCKET, listLeases } from "../../bus/nats/lease-records.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { freePorts } from "../../deploy/nats/node.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "../nats/start-nats.ts";
import { type Server, startServer } from "../start-server.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
});

afterAll(() => nats?.stop());

async function start(env: Record<string, string> = {}): Promise<Server> {
  const server = await startServer({
    env: { NATS_URL: nats.urls.join(","), WORKERS: "2", ...env },
  });
  onTestFinished(() => server.close());
  return server;
}

/** A worker or control plane, as the aggregated /health shows it. */
interface Shown {
  readonly id: string;
  readonly pid: number | null;
  readonly state: string;
  readonly restarts: number;
  readonly last_end: { readonly code: number | null; readonly signal: string | null } | null;
  readonly health: { readonly connections: number } | null;
}

interface FleetHealth {
  readonly status: string;
  readonly sums: { readonly connections: number };
  readonly workers: readonly Shown[];
  readonly controlplanes: readonly Shown[];
}

async function healthOf(server: Server): Promise<FleetHealth> {
  return (await (await fetch(`${server.admin}/health`)).json()) as FleetHealth;
}

async function readyStatus(server: Server): Promise<number> {
  return (await fetch(`${server.admin}/readyz`)).status;
}

/** Whether a process runs; one that has ended and was not fetched yet does not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Processes that run and whose command line has this word. */
function processesNaming(word: string): number[] {
  const isNaming = (pid: number) =>
    readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes(word);
  const pids = readdirSync("/proc").map(Number);
  return pids.filter((pid) => pid > 0 && isAlive(pid) && isNaming(pid));
}

/** Waits for a condition on a process or its health, looked at again and again. */
function until(assertion: () => Promise<void> | void): Promise<void> {
  return vi.waitFor(assertion, { timeout: 25_000, interval: 50 });
}

/** Opens clients, and tells which worker each is at. */
async function openMany(server: Server, count: number): Promise<Map<string, RawClient[]>> {
  const clients = await Promise.all(
    Array.from({ length: count }, () => RawClient.open(server.port)),
  );
  onTestFinished(() => {
    for (const client of clients) client.socket.terminate();
  });
  return Map.groupBy(clients, ({ welcome }) => welcome?.connectionId.replace(/-\w+$/, "") ?? "");
}

test("two workers share a port: both get connections, and their members hear each other", async () => {
  const server = await start({ GATEWAY_ID: "pair" });
  expect(server.children.map(({ id }) => id)).toEqual(["pair-1", "pair-2", "pair-cp"]);
  const byWorker = await openMany(server, 64);
  expect([...byWorker.keys()].sort()).toEqual(["pair-1", "pair-2"]);
  const health = await healthOf(server);
  expect(health).toMatchObject({ status: "ok", sums: { connections: 64 } });
  for (const { id, health: own } of health.workers) {
    expect(own?.connections).toBe(byWorker.get(id)?.length);
  }
  const pair = ["pair-1", "pair-2"].flatMap((id) => byWorker.get(id)?.slice(0, 1) ?? []);
  const durable = await Promise.all(pair.map((client) => client.join("chat:both")));
  const live = await Promise.all(pair.map((client) => client.join("live:both")));
  for (const [i, client] of pair.entries()) {
    await client.ack(client.publish({ room: "chat:both", seq: 1, payload: `kept ${i}` }));
    client.publish({ requestId: 0, room: "live:both", payload: `live ${i}` });
  }
  for (const [i, client] of pair.entries()) {
    const kept = await client.texts(durable[i]?.roomAlias ?? 0, 2);
    expect(kept).toEqual(["kept 0", "kept 1"]);
    expect((await client.texts(live[i]?.roomAlias ?? 0, 2)).sort()).toEqual(["live 0", "live 1"]);
  }
}, 60_000);

test("kill -9 of a worker: a new one, its clients resume, and the whole stays ready", async () => {
  const server = await start({ GATEWAY_ID: "mourned" });
  const byWorker = await openMany(server, 32);
  const [doomed] = byWorker.get("mourned-1") ?? [];
  const [other] = byWorker.get("mourned-2") ?? [];
  if (doomed === undefined || other === undefined) throw new Error("one worker has all clients");
  const joined = await doomed.join("chat:mourned");
  await other.ack(other.publish({ room: "chat:mourned", seq: 1, payload: "before" }));
  await doomed.texts(joined.roomAlias, 1);
  const statuses = new Set<number>();
  let isOver = false;
  const watching = (async () => {
    while (!isOver) statuses.add(await readyStatus(server));
  })();
  const before = server.children[0]?.pid ?? 0;
  process.kill(before, "SIGKILL");
  await doomed.closed;
  await other.ack(other.publish({ room: "chat:mourned", seq: 2, payload: "meanwhile" }));
  const [[again]] = [...(await openMany(server, 1)).values()] as [[RawClient]];
  const after = doomed.messages(joined.roomAlias).at(-1)?.position;
  const resumed = await again.join("chat:mourned", { after });
  expect(resumed.recovered).toBe(true);
  expect(await again.texts(resumed.roomAlias, 1)).toEqual(["meanwhile"]);
  await until(async () => {
    const [first] = (await healthOf(server)).workers;
    expect(first).toMatchObject({ id: "mourned-1", state: "ready", restarts: 1 });
    expect(first?.last_end).toMatchObject({ signal: "SIGKILL" });
    expect(first?.pid).not.toBe(before);
  });
  isOver = true;
  await watching;
  expect([...statuses]).toEqual([200]);
  await until(async () => expect((await openMany(server, 16)).get("mourned-1")).toBeDefined());
}, 60_000);

test("a frozen worker is shown as silent, and the others stay ready", async () => {
  const server = await start();
  const [first] = server.children;
  process.kill(first?.pid ?? 0, "SIGSTOP");
  const health = await healthOf(server);
  expect(health.workers.map(({ state }) => state)).toEqual(["silent", "ready"]);
  expect([health.status, await readyStatus(server)]).toEqual(["degraded", 200]);
  process.kill(first?.pid ?? 0, "SIGCONT");
  await until(async () => expect((await healthOf(server)).status).toBe("ok"));
}, 60_000);

test("SIGTERM: clients are told, exit 0, and no process is left", async () => {
  const server = await start();
  const clients = [...(await openMany(server, 8)).values()].flat();
  expect(await server.stop()).toBe(0);
  for (const client of clients) expect((await client.closed).code).toBe(4003);
  expect(server.children.filter(({ pid }) => isAlive(pid))).toEqual([]);
  expect(server.stderr()).not.toContain("killed");
}, 60_000);

test("kill -9 of the parent: its children stop in order, and give their leases back", async () => {
  const server = await start({ GATEWAY_ID: "orphan" });
  const [client] = [...(await openMany(server, 1)).values()].flat();
  await server.kill();
  expect((await client?.closed)?.code).toBe(4003);
  await until(() => expect(server.children.filter(({ pid }) => isAlive(pid))).toEqual([]));
  const bus = await openNatsBus({ servers: nats.urls, name: "looker" });
  onTestFinished(() => bus.close());
  const leases = await listLeases(await bus.keyValue(LEASE_BUCKET));
  expect(leases.map(({ lease }) => lease.id)).toEqual(["looker"]);
}, 60_000);

test("a child that can not start: the start fails with its reason, and nothing is left", async () => {
  const single = await startServer({
    env: { NATS_URL: nats.urls.join(","), GATEWAY_ID: "held-2", PARTS: "gateway" },
  });
  onTestFinished(() => single.close());
  await expect(start({ GATEWAY_ID: "held" })).rejects.toThrow(
    /\[GATEWAY_ID_IN_USE\][\s\S]*\[UNAVAILABLE\] held-2 ended with exit code 1/,
  );
  expect(processesNaming("held-1")).toEqual([]);
  await expect(start({ PORT: String(single.port) })).rejects.toThrow("[ADDRESS_IN_USE]");
}, 60_000);

test("children that keep ending later: tried again with waits, shown, ready when they can", async () => {
  const own = await startTestNats(1);
  onTestFinished(() => own.stop());
  const server = await start({ NATS_URL: own.urls.join(","), PARTS: "gateway" });
  await own.nodes[0]?.signal("SIGKILL");
  for (const { pid } of server.children) process.kill(pid, "SIGKILL");
  await until(async () => {
    const { status, workers } = await healthOf(server);
    expect(status).toBe("unavailable");
    for (const { restarts, last_end } of workers) {
      expect(restarts).toBeGreaterThanOrEqual(3);
      expect(last_end).toMatchObject({ code: 1 });
    }
  });
  expect(await readyStatus(server)).toBe(503);
  expect(server.stderr()).toContain("[UNAVAILABLE]");
  // Each start is one line: no spinning.
  const lines = server
    .stderr()
    .split("\n")
    .filter((line) => line.includes("started again"));
  const health = await healthOf(server);
  const starts = health.workers.reduce((sum, { restarts }) => sum + restarts, 0);
  expect(Math.abs(lines.length - starts)).toBeLessThanOrEqual(2);
  await own.nodes[0]?.start();
  await until(async () => expect(await readyStatus(server)).toBe(200));
}, 90_000);

test("one process with ADMIN_PORT: the same health there, for loopback names only", async () => {
  const [port] = await freePorts(1);
  const server = await startServer({ env: { ADMIN_PORT: String(port), PAGE: "on" } });
  onTestFinished(() => server.close());
  expect(server.admin).toBe(`http://127.0.0.1:${port}`);
  const health = (await (await fetch(`${server.admin}/health`)).json()) as { status: string };
  expect(health.status).toBe("ok");
  expect(await readyStatus(server)).toBe(200);
  expect((await fetch(`${server.admin}/livez`)).status).toBe(200);
  expect((await fetch(`${server.admin}/other`)).status).toBe(404);
  // The clients' port has none of it then, and the page says where that port is.
  for (const path of ["/livez", "/readyz", "/health", "/metrics", "/"]) {
    await expect(fetch(`${server.http}${path}`)).rejects.toThrow("fetch failed");
  }
  const page = await (await fetch(`${server.admin}/`)).text();
  expect(page).toContain(`<meta name="clients" content="ws:${server.port}">`);
  const foreign = await new Promise<number>((resolve) => {
    const headers = { Host: "evil.example" };
    get(`${server.admin}/health`, { headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
  });
  expect(foreign).toBe(403);
});

test("/metrics of the parent's ADMIN_PORT: workers' and the control plane's, of those that answer", async () => {
  const [port] = await freePorts(1);
  const server = await start({ GATEWAY_ID: "measured", ADMIN_PORT: String(port) });
  expect(server.admin).toBe(`http://127.0.0.1:${port}`);
  await openMany(server, 4);
  const metrics = () => fetch(`${server.admin}/metrics`);
  const partOf = (worker: string) =>
    new RegExp(
      `^tidegate_gateway_utilisation{gateway="measured-cp",name="gateways/${worker}",measure="cpu"} [0-9.e-]+$`,
      "m",
    );
  // Workers say how they are with their leases, soon after their start.
  await until(async () => {
    const response = await metrics();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const lines = await response.text();
    for (const worker of ["measured-1", "measured-2"]) expect(lines).toMatch(partOf(worker));
    expect(lines).toMatch(/^tidegate_gateways_wanted{gateway="measured-cp"} \d+$/m);
    expect(lines.match(/^# TYPE tidegate_overload_level gauge$/gm)).toHaveLength(1);
    expect(lines).toMatch(/^tidegate_shards_wanted{gateway="measured-cp"} \d+$/m);
  });
  const plane = (await healthOf(server)).controlplanes[0];
  expect(plane).toMatchObject({ state: "ready", restarts: 0 });
  process.kill(plane?.pid ?? 0, "SIGSTOP");
  const rest = await (await metrics()).text();
  expect(rest).toContain('tidegate_connections{gateway="measured-2"} ');
  expect(rest).not.toContain("tidegate_gateways_wanted");
  process.kill(plane?.pid ?? 0, "SIGKILL");
  await until(async () => {
    expect((await healthOf(server)).controlplanes[0]).toMatchObject({
      state: "ready",
      restarts: 1,
    });
    expect(await (await metrics()).text()).toContain("tidegate_gateways_wanted");
  });
  const { sums, workers } = await healthOf(server);
  expect(sums.connections).toBe(4);
  expect(workers.map(({ id }) => id)).toEqual(["measured-1", "measured-2"]);
}, 60_000);
