/** What is exported, against the catalogue and so docs/metrics.md; and how many series it is. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../../../deploy/nats/node.ts";
import { collectFlags } from "../../../gateway/flags/flag-metrics.ts";
import { FleetServiceClient } from "../../../proto/gen/tidegate/control/v1/fleet_service.ts";
import { CATALOGUE, type MetricName } from "../../../telemetry/metrics/catalogue.ts";
import { Authority } from "../../controlplane/access/issue.ts";
import { call } from "../../controlplane/start-control-plane.ts";
import { RawClient } from "../../gateway/raw-client.ts";
import { testGateway } from "../../gateway/start-gateway.ts";
import { startTestNats } from "../../nats/start-nats.ts";
import { startServer } from "../../start-server.ts";
import { metricsText } from "../metrics-text.ts";

/** Label names by family, as the samples of a text have them, without `gateway` and `le`. */
function familiesOf(text: string): Map<string, Set<string>> {
  const families = new Map<string, Set<string>>();
  let family = "";
  for (const line of text.split("\n")) {
    const declared = /^# TYPE (\S+) /.exec(line)?.[1];
    if (declared !== undefined) {
      family = declared;
      families.set(family, families.get(family) ?? new Set());
    }
    if (!line.startsWith("tidegate_")) continue;
    expect(line.startsWith(family)).toBe(true);
    expect(line).toContain('gateway="');
    const labels = [...line.matchAll(/[{,](\w+)="(?:[^"\\]|\\.)*"/g)].map(([, name = ""]) => name);
    families.get(family)?.add(labels.filter((name) => !["gateway", "le"].includes(name)).join());
  }
  return families;
}

async function allInOneText(): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-metrics-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const authority = new Authority(folder, "ca");
  const { cert, key } = authority.issue("/CN=localhost");
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const [port] = await freePorts(1);
  const server = await startServer({
    env: {
      ...{ NATS_URL: nats.urls.join(","), ADMIN_PORT: String(port) },
      ...{ TLS_CERT_FILE: cert, TLS_KEY_FILE: key },
    },
  });
  onTestFinished(() => server.close());
  const client = new FleetServiceClient(server.grpc, credentials.createInsecure());
  onTestFinished(() => client.close());
  await call(client, client.getScaleAdvice, {});
  // Its gateway is known by name once it has said how full it is.
  for (;;) {
    const text = await (await fetch(`${server.admin}/metrics`)).text();
    if (text.includes("\ntidegate_gateway_utilisation{")) return text;
  }
}

test("metrics: every row of the catalogue is exported with its labels, and nothing else", async () => {
  const { gateway, client } = await testGateway({
    parts: { keyStatus: () => ({ count: 1, ageMs: 0, trouble: "" }) },
  });
  const member = await client();
  await member.join("chat:a");
  const exposures = [{ key: "a", variant: "on", count: 1 }];
  const text = await metricsText([
    gateway.collect,
    (sink) => collectFlags(sink, { ...gateway.stats().flags, exposures }, 0),
  ]);
  const exported = familiesOf(`${await allInOneText()}\n${text}`);
  const rows = Object.entries(CATALOGUE) as [MetricName, (typeof CATALOGUE)[MetricName]][];
  const wanted = new Map<string, string>(
    rows.map(([name, { labels }]): [string, string] => [name, labels.join()]),
  );
  expect([...exported.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [name, labels] of exported) {
    expect([name, ...labels].filter((each) => each !== "")).toEqual(
      [name, wanted.get(name) ?? ""].filter((each) => each !== ""),
    );
  }
}, 60_000);

/** Series of a text. */
const seriesOf = (text: string) => text.split("\n").filter((line) => /^tidegate/.test(line)).length;

test("metrics: 100 000 rooms with members make no series more than ten", async () => {
  const { gateway, port } = await testGateway({ options: { roomCountMax: 4096 } });
  const text = () => metricsText([gateway.collect]);
  const join = async (from: number, count: number) => {
    const client = await RawClient.open(port);
    onTestFinished(() => client.socket.terminate());
    for (let first = from; first < from + count; first += 250) {
      const rooms = Array.from({ length: 250 }, (_, i) => `live:r${first + i}`);
      client.frames.length = 0;
      client.sendJoin(rooms.map((room) => ({ room, after: undefined, history: 0 })));
      await client.nextCount(250, ({ $case }) => $case === "joined");
    }
  };
  await join(0, 250);
  const before = seriesOf(await text());
  for (let first = 250; first < 100_000; first += 4000) await join(first, 4000);
  expect(gateway.stats().roomCount).toBeGreaterThanOrEqual(100_000);
  const after = await text();
  expect(seriesOf(after)).toBe(before);
  expect(before).toBeLessThan(1000);
  expect(after).not.toContain("live:");
}, 120_000);
