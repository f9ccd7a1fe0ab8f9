/**
 * A gateway's link to real control planes over gRPC: what it gets, what it answers, and where it
 * goes when one ends.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import { type ControlPlane, startControlPlane } from "../../../controlplane/control-plane.ts";
import { GatewayConfig } from "../../../gateway/control-link/config.ts";
import { Traffic } from "../../../gateway/traffic.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { SpanKind } from "../../../telemetry/tracing/span.ts";
import { NO_TRACER, RecordingTracer, type Tracer } from "../../../telemetry/tracing/tracer.ts";
import { wrapMethods } from "../../controlplane/start-control-plane.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

/** Collects; waits until a condition holds, looking whenever something is noted. */
class Notes {
  readonly all: string[] = [];
  readonly #waiting = new Set<() => void>();

  add(text: string): void {
    this.all.push(text);
    for (const look of [...this.#waiting]) look();
  }

  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!condition()) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
    });
  }
}

/** An embedded bus, on which control planes are started; gateways see none of its changes. */
async function setUp() {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-link-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const keys = await bus.keyValue(CONTROL_BUCKET);
  const refusals = new Notes();
  const plane = async (port = 0, tracer: Tracer = NO_TRACER) => {
    const warn = (fields: object) => {
      if ("gateway" in fields) refusals.add(JSON.stringify(fields));
    };
    const log = { debug() {}, info() {}, warn, error() {} };
    const started = await startControlPlane(bus, log, { port, drainTimeoutMs: 200 }, { tracer });
    onTestFinished(() => started.close());
    return started;
  };
  return { bus, keys, plane, refusals };
}

/** A gateway whose own watch of the bus tells nothing after it was opened. */
async function follow(
  bus: Bus,
  planes: readonly Pick<ControlPlane, "address">[],
  tracer: Tracer = NO_TRACER,
) {
  const notes = new Notes();
  const note = (_: object, text: string) => notes.add(text);
  const config = new GatewayConfig("g1", { debug() {}, info: note, warn: note, error() {} });
  config.feed.follow("class.", (key, value) => {
    const text = value === null ? "gone" : Buffer.from(value).toString();
    if (text === "bad") return "it is bad";
    notes.add(`${key} ${text}`);
    return null;
  });
  const deaf = wrapMethods(bus, {
    keyValue: async (bucket) =>
      wrapMethods(await bus.keyValue(bucket), {
        watch: async (_, watcher) => {
          watcher.onSynced();
          return () => {};
        },
      }),
  });
  await config.feed.open(deaf);
  const traffic = new Traffic();
  const urls = planes.map(({ address }) => address);
  config.follow({ urls, token: () => "", tls: () => null }, traffic, tracer);
  onTestFinished(() => config.close());
  return { config, notes, traffic };
}

test("everything, then each change; the version and the age are known", async () => {
  const { bus, keys, plane } = await setUp();
  await keys.create("class.a.x", bytes("1"));
  const { config, notes } = await follow(bus, [await plane()]);
  await notes.until(() => notes.all.includes("class.a.x 1"));
  const revision = await keys.create("class.a.y", bytes("2"));
  await keys.delete("class.a.x");
  await notes.until(() => notes.all.includes("class.a.x gone"));
  expect(notes.all.filter((text) => text.startsWith("class"))).toEqual([
    ...["class.a.x 1", "class.a.y 2", "class.a.x gone"],
  ]);
  const { version, ageMs, link } = config.status;
  expect(version).toBeGreaterThan(revision);
  expect(ageMs).toBeLessThan(5000);
  expect(link).toMatchObject({ isConnected: true, detail: "" });
});

test("a broken record is refused with the reason, which the control plane hears", async () => {
  const { bus, keys, plane, refusals } = await setUp();
  const revision = await keys.create("class.a.x", bytes("1"));
  const { config, notes } = await follow(bus, [await plane()]);
  await notes.until(() => notes.all.includes("class.a.x 1"));
  const broken = await keys.update("class.a.x", bytes("bad"), revision);
  await refusals.until(() => refusals.all.length > 0);
  expect(JSON.parse(refusals.all[0] ?? "")).toEqual({
    ...{ gateway: "g1", key: "class.a.x", revision: broken, reason: "it is bad" },
  });
  expect(config.status.trouble).toBe("class.a.x: it is bad");
});

test("when its control plane ends, it goes to another and gets only what changed since", async () => {
  const { bus, keys, plane } = await setUp();
  await keys.create("class.a.x", bytes("1"));
  const planes = [await plane(), await plane()];
  const { config, notes } = await follow(bus, planes);
  await notes.until(() => notes.all.includes("class.a.x 1"));
  await keys.create("class.a.y", bytes("2"));
  await notes.until(() => notes.all.includes("class.a.y 2"));
  const followed = planes.find(({ address }) => address === config.status.link?.url);
  await followed?.close();
  await keys.create("class.a.z", bytes("3"));
  await notes.until(() => notes.all.includes("class.a.z 3"));
  expect(config.status.link?.url).not.toBe(followed?.address);
  expect(notes.all.filter((text) => text.startsWith("class"))).toHaveLength(3);
});

test("without any control plane it keeps what it has, and follows when one is back", async () => {
  const { bus, keys, plane } = await setUp();
  await keys.create("class.a.x", bytes("1"));
  const first = await plane();
  const { config, notes } = await follow(bus, [first]);
  await notes.until(() => notes.all.includes("class.a.x 1"));
  await first.close();
  await notes.until(() => notes.all.includes("no control plane is followed"));
  const { version } = config.status;
  expect(config.status.link).toMatchObject({ isConnected: false });
  await keys.delete("class.a.x");
  const second = await plane(first.port);
  await notes.until(() => notes.all.includes("class.a.x gone"));
  expect(config.status.version).toBeGreaterThan(version);
  expect(config.status.link?.url).toBe(second.address);
}, 20_000);

test("it lists the gateways that there are, with what they say of themselves", async () => {
  const { bus, plane } = await setUp();
  const { GatewayFacts, ServingState } = await import(
    "../../../proto/gen/tidegate/control/v1/gateway_facts.ts"
  );
  const facts = {
    ...GatewayFacts.decode(new Uint8Array(0)),
    ...{ state: ServingState.SERVING, advertiseUrl: "wss://a", connectionCountMax: 10 },
  };
  bus.topology.announce(GatewayFacts.encode(facts).finish());
  const { config } = await follow(bus, [await plane()]);
  const { addresses } = config;
  const { promise, resolve } = Promise.withResolvers<void>();
  addresses.follow(() => {
    if (addresses.all.size > 0) resolve();
  });
  await promise;
  expect([...addresses.all.values()]).toMatchObject([{ advertiseUrl: "wss://a", accepting: true }]);
  expect(addresses.ageMs).toBeLessThan(5000);
});

test("the stream is a span that the control plane's is a child of; one that never spoke failed", async () => {
  const { bus, plane } = await setUp();
  const tracers = [new RecordingTracer({ ratio: 1 }), new RecordingTracer({ ratio: 0 })] as const;
  for (const { recorder } of tracers) recorder.beginExport();
  const first = await plane(0, tracers[1]);
  const { config } = await follow(bus, [first], tracers[0]);
  await expect.poll(() => config.status.link?.isConnected).toBe(true);
  await first.close();
  const recorded = () => tracers.map((tracer) => tracer.counters().recorded);
  await expect.poll(() => Math.min(...recorded())).toBeGreaterThan(0);
  const [client, server] = tracers.map(({ recorder }) => recorder.take(1)[0]);
  const method = "tidegate.control.v1.RoutingService/StreamRouting";
  expect(client).toMatchObject({
    ...{ name: method, kind: SpanKind.CLIENT, parentSpanId: "", error: "" },
    attributes: {
      ...{ "rpc.system.name": "grpc", "rpc.method": method, "tidegate.gateway": "g1" },
      ...{ "server.address": "127.0.0.1", "server.port": first.port },
    },
  });
  expect([server?.kind, server?.traceId, server?.parentSpanId]).toEqual([
    ...[SpanKind.SERVER, client?.traceId, client?.spanId],
  ]);
  // Nobody listens there any more.
  await expect
    .poll(() => tracers[0].recorder.take(1)[0]?.attributes["error.type"])
    .toBe("UNAVAILABLE");
});
