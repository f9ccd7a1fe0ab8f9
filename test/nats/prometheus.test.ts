/**
 * A real Prometheus reads two gateways and a control plane on one NATS: it answers the dashboard's
 * queries, finds every metric that a panel or a rule names, and judges the rules: all is well but
 * for the certificate, which ends in a day.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Panel } from "../../deploy/observability/dashboard/panel.ts";
import { ROWS } from "../../deploy/observability/dashboard/rows.ts";
import { runCli } from "../cli/run-cli.ts";
import { metricsOf, readAlerts, readYaml } from "../deploy/observability/rule-files.ts";
import {
  isPrometheusMissing,
  type Prometheus,
  startPrometheus,
} from "../deploy/observability/start-prometheus.ts";
import { nowS, signWithSecret } from "../gateway/auth/tokens.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { type Certificates, makeCertificates } from "./credentials.ts";
import { freePort } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const panels: readonly Panel[] = ROWS.flatMap((row) => row.panels);
/** A flag for clients, so that they can tell exposures. */
const flags = {
  flags: {
    a: {
      ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "on" },
      metadata: { client: true },
    },
  },
};
const secret = "a secret of more than thirty-two bytes";
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-observed-"));
let certificates: Certificates;
let controlAt = "";
let nats: TestNats;
const servers: Server[] = [];
let clients: RawClient[] = [];
let prometheus: Prometheus;
let traffic: NodeJS.Timeout;

beforeAll(async () => {
  if (isPrometheusMissing()) return;
  nats = await startTestNats(1);
  certificates = makeCertificates(folder, "edge");
  const keyFile = path.join(folder, "secret");
  writeFileSync(keyFile, secret);
  const edge = {
    ...{ AUTH: "jwt", AUTH_JWT_KEY_FILE: keyFile },
    ...{ TLS_CERT_FILE: certificates.cert, TLS_KEY_FILE: certificates.key },
    ...{ TRACE_RATIO: "1", TRACE_RING: "50000" },
  };
  const start = async (id: string, env: Readonly<Record<string, string>>) => {
    const bus = { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1", LOG_LEVEL: "warn" };
    const admin = { GATEWAY_ID: id, ADMIN_PORT: String(await freePort()) };
    servers.push(await startServer({ controlPort, env: { ...bus, ...admin, ...env } }));
  };
  const controlPort = await freePort();
  controlAt = `127.0.0.1:${controlPort}`;
  const gateway = { ...edge, PARTS: "gateway", CONTROL_URL: controlAt };
  const control = { PARTS: "controlplane" };
  await Promise.all([start("plane", control), start("gw-1", gateway), start("gw-2", gateway)]);
  const flagFile = path.join(folder, "flags.json");
  writeFileSync(flagFile, JSON.stringify(flags));
  for (const args of ["limits set connections 1000", `flags apply web -f ${flagFile}`]) {
    const { code, stderr } = await runCli(args.split(" "), {
      env: { TIDEGATE_CONTROL: controlAt },
    });
    expect(code, stderr).toBe(0);
  }
  prometheus = await startPrometheus(servers.map(({ admin }) => new URL(admin ?? "").host));
  await startTraffic();
  const isRead = async () => {
    const rates = await prometheus.query(asked("Slow members"));
    const [published] = await prometheus.query(asked("Published"));
    return rates.length > 0 && (published?.value ?? 0) > 0;
  };
  await vi.waitUntil(isRead, { timeout: 60_000, interval: 250 });
}, 180_000);

afterAll(async () => {
  clearInterval(traffic);
  for (const { socket } of clients) socket.terminate();
  await prometheus?.close();
  for (const server of servers) await server.kill();
  for (const server of servers) await server.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** Three members, at two gateways; each publishes ten times a second to both rooms. */
async function startTraffic(): Promise<void> {
  const ca = readFileSync(certificates.ca);
  const token = await signWithSecret(secret, { sub: "anna", exp: nowS() + 3600 });
  const gateways = servers.filter(({ url }) => url !== null);
  const ports = [...gateways, ...gateways.slice(0, 1)].map(({ port }) => port);
  clients = await Promise.all(ports.map((port) => RawClient.open(port, { token }, { ca })));
  for (const client of clients) await Promise.all(["chat:a", "live:a"].map((r) => client.join(r)));
  let seq = 0;
  traffic = setInterval(() => {
    seq += 1;
    for (const client of clients) {
      client.publish({ room: "chat:a", seq, payload: "durable" });
      client.publish({ requestId: 0, room: "live:a", payload: "ephemeral" });
      const exposures = [{ key: "a", variant: "on", count: 1 }];
      if (seq % 5 === 0) client.send({ $case: "flagExposures", value: { exposures } });
    }
  }, 100);
}

/** A panel's first query, as Grafana would ask it. */
function asked(title: string): string {
  const panel = panels.find((each) => each.title === title);
  expect(panel).toBeDefined();
  return fillIn(panel?.queries[0]?.[0] ?? "");
}

function fillIn(expression: string): string {
  return expression
    .replaceAll("$job", "tidegate")
    .replaceAll("$gateway", "gw-1")
    .replaceAll("$class", ".*")
    .replaceAll("$__rate_interval", "5s");
}

/** Queries without a line, but those that show only what is above 0. A rate needs two readings. */
async function listUnanswered(): Promise<string[]> {
  const unanswered: string[] = [];
  for (const { title, queries } of panels) {
    for (const [expression] of queries) {
      const answer = await prometheus.query(fillIn(expression));
      const mayBeEmpty = expression.endsWith(" > 0");
      if (answer.length === 0 && !mayBeEmpty) unanswered.push(`${title}: ${expression}`);
    }
  }
  return unanswered;
}

describe.skipIf(isPrometheusMissing())("Prometheus over two gateways and a control plane", () => {
  test("answers the dashboard: gateways, connections, members, and messages by hop", async () => {
    expect(await prometheus.query('up{job="tidegate"}')).toHaveLength(3);
    const [gateways] = await prometheus.query(asked("Gateways"));
    expect(gateways?.value).toBe(2);
    const [connections] = await prometheus.query(asked("Connections"));
    expect(connections?.value).toBe(3);
    const of = await prometheus.query(asked("Connections, rooms, members"));
    expect([1, 2]).toContain(of[0]?.value);
    const hops = await prometheus.query(asked("Messages by hop"));
    const byHop = new Map(hops.map(({ metric, value }) => [metric.hop, value]));
    expect([...byHop.keys()].sort()).toEqual(["bus_deliver", "bus_publish", "fanout", "ingress"]);
    // Two gateways have members of each room, so what one client publishes is handed out twice.
    expect((byHop.get("fanout") ?? 0) / (byHop.get("ingress") ?? 0)).toBeGreaterThan(1);
  });

  test("every query of the dashboard can be read, and has an answer", async () => {
    await expect.poll(listUnanswered, { timeout: 30_000, interval: 500 }).toEqual([]);
    await expect(prometheus.query("sum(rate(tidegate_connections))")).rejects.toThrow("parse");
  });

  test("a latency leads to its trace: exemplars name it, and tidegatectl shows it", async () => {
    const { datasources } = readYaml("deploy/observability/grafana/datasources.yaml") as {
      datasources: { jsonData?: { exemplarTraceIdDestinations: { name: string }[] } }[];
    };
    const [label] = datasources.flatMap(
      ({ jsonData }) => jsonData?.exemplarTraceIdDestinations ?? [],
    );
    const found = await prometheus.exemplars("tidegate_delivery_latency_seconds_bucket");
    expect(found.length).toBeGreaterThan(0);
    const id = found.at(-1)?.[label?.name ?? ""] ?? "";
    expect(id).toMatch(/^[0-9a-f]{32}$/);
    const shown = await runCli(["trace", id], { env: { TIDEGATE_CONTROL: controlAt } });
    expect(shown.code, shown.stderr).toBe(0);
    for (const span of ["ingress", "bus.publish", "bus.deliver", "fanout"]) {
      expect(shown.stdout).toContain(span);
    }
  });

  test("every metric that a panel or a rule names is exported", async () => {
    const expressions = [
      ...panels.flatMap(({ queries }) => queries.map(([expression]) => expression)),
      ...readAlerts().map(({ expr }) => expr),
    ];
    const named = [...new Set(expressions.flatMap(metricsOf))];
    const there = new Set((await prometheus.names()).flatMap(metricsOf));
    expect(named.filter((name) => !there.has(name))).toEqual([]);
  });

  test("every rule can be judged; the certificate that ends in a day is seen, nothing fires", async () => {
    const ends = ["TidegateCertificateEndsSoon", "TidegateCertificateEnds"];
    const rules = await prometheus.rules();
    const names = readAlerts().map(({ alert }) => alert);
    expect(rules.map(({ name }) => name).sort()).toEqual(names.sort());
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    // They fire after 5 minutes. A busy machine may let others wait too, such as that of the
    // fleet's size.
    const told = rules.filter(({ state }) => state === "pending").map(({ name }) => name);
    expect(told).toEqual(expect.arrayContaining(ends));
    expect(rules.filter(({ state }) => state === "firing")).toEqual([]);
  });

  test("kill -9 of a gateway: it is missed at once, by the dashboard and by its alert", async () => {
    const isWaiting = async () => {
      const rules = await prometheus.rules();
      return rules.find(({ name }) => name === "TidegateProcessDown")?.state === "pending";
    };
    expect(await isWaiting()).toBe(false);
    await servers.find(({ url }) => url !== null)?.kill();
    await vi.waitUntil(isWaiting, { timeout: 20_000, interval: 250 });
    const [gateways] = await prometheus.query(asked("Gateways"));
    expect(gateways?.value).toBe(1);
  });
});
