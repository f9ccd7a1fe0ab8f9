/**
 * Flags on a running gateway: in Welcome, live when they change for a client, and never lost.
 */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { authenticateNone } from "../../../gateway/auth/authenticate.ts";
import { authenticateStatic } from "../../../gateway/auth/static-tokens.ts";
import { startGateway } from "../../../gateway/gateway.ts";
import { FlagEngine } from "../../../proto/flags/flag-engine.ts";
import { FlagSet } from "../../../proto/gen/tidegate/control/v1/flag_set.ts";
import { metricsText } from "../../telemetry/metrics-text.ts";
import { RawClient } from "../raw-client.ts";
import { testGateway } from "../start-gateway.ts";
import { clientFlag, putFlags, putRecord } from "./put-flags.ts";

const valuesOf = (flags: { key: string; valueJson: string }[] = []) =>
  Object.fromEntries(flags.map(({ key, valueJson }) => [key, valueJson]));

/** Waits for one more frame. Throws when none can come, so that no loop of a test runs for ever. */
async function nextFrame(client: RawClient): Promise<void> {
  const count = client.frames.length + 1;
  await client.nextCount(count, () => true);
  if (client.frames.length < count) throw new Error("closed while waiting for a frame");
}

/** The Flags frame with this number, 0 for the first. */
async function flagsFrame(client: RawClient, index: number) {
  const frames = () => client.frames.flatMap((f) => (f.$case === "flags" ? [f.value] : []));
  while (frames().length <= index) await nextFrame(client);
  const frame = frames()[index];
  if (frame === undefined) throw new Error("no frame");
  return frame;
}

const countFlags = (client: RawClient) =>
  client.frames.filter(({ $case }) => $case === "flags").length;

/** Connects until a Welcome has this flag: a write reaches the gateway a moment later. */
async function clientWith(gateway: Awaited<ReturnType<typeof testGateway>>, key: string) {
  for (;;) {
    const client = await gateway.client();
    if (client.welcome?.flags?.flags.some((flag) => flag.key === key)) return client;
    if (countFlags(client) === 0) await flagsFrame(client, 0);
    client.socket.close();
  }
}

describe("Welcome", () => {
  test("has no flags where there are none, and then all that are for clients, and why", async () => {
    const gateway = await testGateway();
    const early = await gateway.client();
    expect(early.welcome?.flags).toBeUndefined();
    const rule = { if: [{ sem_ver: [{ var: "client.version" }, ">=", "2.0.0"] }, "on"] };
    await putFlags(
      gateway.bus,
      "web",
      {
        a: clientFlag({ targeting: rule }),
        b: clientFlag({ variants: { x: { size: 3 } }, defaultVariant: "x" }),
        secret: clientFlag({ metadata: {} }),
      },
      77,
    );
    expect(valuesOf((await flagsFrame(early, 0)).flags)).toEqual({ a: "false", b: '{"size":3}' });
    const client = await gateway.client({
      build: { name: "app", version: "2.1.0", platform: "node" },
    });
    expect(client.welcome?.flags).toMatchObject({ all: true, stale: false });
    expect(client.welcome?.flags?.ageMs).toBeLessThan(30_000);
    expect(Number(client.welcome?.flags?.version)).toBeGreaterThan(0);
    expect(client.welcome?.flags?.flags).toEqual([
      { key: "a", valueJson: "true", variant: "on", reason: "TARGETING_MATCH", version: 77n },
      { key: "b", valueJson: '{"size":3}', variant: "x", reason: "STATIC", version: 77n },
    ]);
    expect(gateway.gateway.stats().flags).toMatchObject({ flagCount: 3, clientFlagCount: 2 });
  });

  test("of a user is the same on every connection, whatever its build, by his token", async () => {
    const tokens = ["anna", "ben"].map((user) => ({ token: `0123456789abcdef-${user}`, user }));
    const authenticate = authenticateStatic(JSON.stringify({ tokens }));
    const gateway = await testGateway({ parts: { authenticate } });
    const shares = Object.fromEntries(
      Array.from({ length: 24 }, (_, i) => [
        `s${i}`,
        clientFlag({
          targeting: {
            fractional: [
              ["on", 50],
              ["off", 50],
            ],
          },
        }),
      ]),
    );
    await putFlags(gateway.bus, "ab", shares);
    const valuesFor = async (user: string, version: string) => {
      const build = { name: "app", version, platform: "node" };
      const client = await gateway.client({ token: `0123456789abcdef-${user}`, build });
      if (client.welcome?.flags === undefined) await flagsFrame(client, 0);
      return valuesOf(client.welcome?.flags?.flags ?? (await flagsFrame(client, 0)).flags);
    };
    const first = await valuesFor("anna", "1.0.0");
    expect(Object.keys(first)).toHaveLength(24);
    expect(await valuesFor("anna", "9.9.9")).toEqual(first);
    expect(await valuesFor("ben", "1.0.0")).not.toEqual(first);
  });
});

/** A gateway on a bus with flags, whose flags are not ready before `allow` is called. */
async function startHeld() {
  const { bus } = await testGateway();
  await putFlags(bus, "web", { a: clientFlag() });
  const { promise: mayLoad, resolve: allow } = Promise.withResolvers<void>();
  const load = FlagEngine.load;
  const spy = vi.spyOn(FlagEngine, "load").mockImplementation(async () => {
    await mayLoad;
    return load.call(FlagEngine);
  });
  onTestFinished(() => void spy.mockRestore());
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const parts = { bus, log, authenticate: authenticateNone(), version: "0.0.0" };
  const gateway = await startGateway({ ...parts, gatewayId: "second" }, { port: 0 });
  onTestFinished(() => gateway.close());
  return { gateway, allow };
}

// It went round without end, and nothing else of the process ran any more.
test("a gateway that is closed while its first flags are being made ready ends", async () => {
  const { gateway, allow } = await startHeld();
  const closed = gateway.close();
  allow();
  await closed;
  await new Promise(setImmediate);
});

test("a Hello waits for the first flags to be ready: its Welcome has them, however late", async () => {
  const { gateway: second, allow } = await startHeld();
  const client = new RawClient(second.port);
  onTestFinished(() => client.socket.terminate());
  await client.opened();
  client.hello();
  // Long enough for a Welcome, if nothing held it up.
  for (let i = 0; i < 5; i += 1) await fetch(`http://127.0.0.1:${second.port}/livez`);
  allow();
  const welcome = await client.next("welcome");
  expect(valuesOf(welcome.flags?.flags)).toEqual({ a: "false" });
});

test("a token with other attributes, on the open connection, brings all flags again", async () => {
  const token = (plan: string) => `0123456789abcdef-${plan}`;
  const tokens = ["tin", "gold"].map((plan) => ({
    ...{ token: token(plan), user: "anna", attributes: { plan } },
  }));
  const authenticate = authenticateStatic(JSON.stringify({ tokens }));
  const gateway = await testGateway({ parts: { authenticate } });
  const targeting = { if: [{ "==": [{ var: "plan" }, "gold"] }, "on"] };
  await putFlags(gateway.bus, "web", { a: clientFlag({ targeting }), b: clientFlag() });
  const client = await gateway.client({ token: token("tin") });
  const seen = client.welcome?.flags === undefined ? 1 : 0;
  if (seen === 1) await flagsFrame(client, 0);
  for (const [requestId, plan] of ["tin", "gold"].entries()) {
    client.send({ $case: "refresh", value: { token: token(plan), requestId } });
    await client.next("refreshed", (refreshed) => refreshed.requestId === requestId);
  }
  const again = await flagsFrame(client, seen);
  expect([again.all, valuesOf(again.flags)]).toEqual([true, { a: "true", b: "false" }]);
});

describe("a change", () => {
  test("is told to those for whom a value changes, with that value alone", async () => {
    const gateway = await testGateway();
    const rule = (version: string) => ({
      if: [{ sem_ver: [{ var: "client.version" }, ">=", version] }, "on"],
    });
    await putFlags(gateway.bus, "web", {
      a: clientFlag({ targeting: rule("3.0.0") }),
      b: clientFlag(),
    });
    const old = await clientWith(gateway, "a");
    const build = { name: "app", version: "2.1.0", platform: "node" };
    const young = await gateway.client({ build });
    await putFlags(
      gateway.bus,
      "web",
      { a: clientFlag({ targeting: rule("2.0.0") }), b: clientFlag() },
      2,
    );
    expect(await flagsFrame(young, 0)).toMatchObject({
      ...{ all: false, stale: false },
      flags: [{ key: "a", valueJson: "true", variant: "on", version: 2n }],
    });
    // The next change concerns both; the old one hears of nothing before it.
    await putFlags(
      gateway.bus,
      "web",
      { a: clientFlag({ targeting: rule("2.0.0") }), b: clientFlag({ defaultVariant: "on" }) },
      3,
    );
    expect(valuesOf((await flagsFrame(old, 0)).flags)).toEqual({ b: "true" });
    expect(valuesOf((await flagsFrame(young, 1)).flags)).toEqual({ b: "true" });
  });

  test("that takes a flag away is told with all that are left; none of one that was never told", async () => {
    const gateway = await testGateway();
    await putFlags(gateway.bus, "web", {
      a: clientFlag(),
      b: clientFlag(),
      c: clientFlag({ metadata: {} }),
    });
    const client = await clientWith(gateway, "a");
    await putFlags(gateway.bus, "web", { a: clientFlag() }, 2);
    const left = await flagsFrame(client, 0);
    expect([left.all, valuesOf(left.flags)]).toEqual([true, { a: "false" }]);
    await putRecord(gateway.bus, "web", null);
    const none = await flagsFrame(client, 1);
    expect([none.all, none.flags]).toEqual([true, []]);
    expect((await gateway.client()).welcome?.flags).toBeUndefined();
  });

  test("that can not be read changes nothing, and is shown", async () => {
    const gateway = await testGateway();
    await putFlags(gateway.bus, "web", { a: clientFlag() });
    const client = await clientWith(gateway, "a");
    const bad = JSON.stringify({
      flags: { a: clientFlag({ targeting: { if: [{ $ref: "x" }, "on"] } }) },
    });
    const record = { ...FlagSet.decode(new Uint8Array(0)), definition: bad };
    await putRecord(gateway.bus, "web", FlagSet.encode(record).finish());
    // What comes behind it proves that it was looked at.
    await putFlags(gateway.bus, "other", { z: clientFlag() });
    expect(valuesOf((await flagsFrame(client, 0)).flags)).toEqual({ z: "false" });
    expect(gateway.gateway.stats().config.trouble).toContain(
      'flags.a.targeting.if[0] there is no evaluator "x"',
    );
    const later = await gateway.client();
    expect(valuesOf(later.welcome?.flags?.flags)).toEqual({ a: "false", z: "false" });
  });

  test("many at once, while clients come and go: each ends with the newest values", async () => {
    const gateway = await testGateway();
    await putFlags(gateway.bus, "web", {
      n: clientFlag({ variants: { v: 0 }, defaultVariant: "v" }),
    });
    const first = await clientWith(gateway, "n");
    const clients = [first];
    for (let i = 1; i <= 30; i += 1) {
      const variants = { v: i };
      await putFlags(gateway.bus, "web", { n: clientFlag({ variants, defaultVariant: "v" }) }, i);
      if (i % 3 === 0) clients.push(await gateway.client());
    }
    for (const client of clients) {
      const newest = () => {
        const told = client.frames.flatMap((f) => (f.$case === "flags" ? f.value.flags : []));
        return [...(client.welcome?.flags?.flags ?? []), ...told].at(-1)?.valueJson;
      };
      while (newest() !== "30") await nextFrame(client);
      const order = client.frames.flatMap((f) =>
        f.$case === "flags" ? f.value.flags.map(({ valueJson }) => Number(valueJson)) : [],
      );
      expect(order).toEqual([...new Set(order)].sort((a, b) => a - b));
    }
  });
});

describe("exposures", () => {
  test("are counted by variant, of flags for clients alone, two frames a second at most", async () => {
    const gateway = await testGateway();
    await putFlags(gateway.bus, "web", { a: clientFlag(), s: clientFlag({ metadata: {} }) });
    const client = await clientWith(gateway, "a");
    const tell = (exposures: { key: string; variant: string; count: number }[]) =>
      client.send({ $case: "flagExposures", value: { exposures } });
    tell([
      { key: "a", variant: "on", count: 2 },
      { key: "a", variant: "off", count: 1 },
      { key: "a", variant: "nope", count: 1 },
      { key: "s", variant: "on", count: 1 },
      { key: "none", variant: "on", count: 1 },
    ]);
    for (let i = 0; i < 50; i += 1) tell([{ key: "a", variant: "on", count: 4_000_000_000 }]);
    await client.settle();
    const text = await metricsText([gateway.gateway.collect]);
    const start = 'tidegate_flag_exposures_total{gateway="test",flag="a",variant=';
    const lines = text.split("\n").filter((line) => line.startsWith(start));
    const counts = new Map(
      lines.map((line) => line.slice(start.length).split("} ") as [string, string]),
    );
    // One, or two windows, if the second turned just then.
    expect([1_000_002, 2_000_002, 3_000_002]).toContain(Number(counts.get('"on"')));
    expect(counts.get('"off"')).toBe("1");
    expect(text.match(/^tidegate_flag_exposures_total/gm)).toHaveLength(2);
    expect(text).toContain('tidegate_flags_stale{gateway="test"} 0');
    // Of its Welcome: "a", which has no rules.
    expect(text).toContain('tidegate_flag_decisions_total{gateway="test",reason="STATIC"} 1\n');
    expect(text).toContain('tidegate_gate_decisions_total{gateway="test",decision="allow"} 1\n');
  });
});

describe("flags of the system", () => {
  test("switch live changes off and on: who missed some is told all of them", async () => {
    const gateway = await testGateway();
    const live = (isOn: boolean) => ({
      "tidegate.live-flags": clientFlag({ metadata: {}, defaultVariant: isOn ? "on" : "off" }),
    });
    await putFlags(gateway.bus, "web", { a: clientFlag() });
    const client = await clientWith(gateway, "a");
    await putFlags(gateway.bus, "sys", live(false));
    const settled = async (isLive: boolean) => {
      while (gateway.gateway.stats().flags.isLive !== isLive) await client.settle();
    };
    await settled(false);
    await putFlags(gateway.bus, "web", { a: clientFlag({ defaultVariant: "on" }) }, 2);
    while ((await gateway.client()).welcome?.flags?.flags[0]?.valueJson !== "true");
    await client.settle();
    expect(countFlags(client)).toBe(0);
    await putFlags(gateway.bus, "sys", live(true));
    expect(valuesOf((await flagsFrame(client, 0)).flags)).toEqual({ a: "true" });
  });

  test("gather acks for a window, within bounds", async () => {
    const gateway = await testGateway();
    const variants = { v: 100_000 };
    await putFlags(gateway.bus, "sys", {
      "tidegate.ack-window-ms": clientFlag({ metadata: {}, variants, defaultVariant: "v" }),
    });
    const client = await gateway.client();
    while (gateway.gateway.stats().flags.ackWindowMs === 0) await client.settle();
    expect(gateway.gateway.stats().flags.ackWindowMs).toBe(100);
    const id = client.publish({ room: "chat:a", seq: 1, payload: "m" });
    await client.ack(id);
  });
});
