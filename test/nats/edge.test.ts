/**
 * The edge over machines: two gateways and a control plane as processes of their own on one NATS.
 * Each change that an operator makes holds on both within a second, and stays when the control
 * plane is gone; a gateway that is full sends clients to the other.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { connect } from "../../sdk/typescript/connect.ts";
import { runCli } from "../cli/run-cli.ts";
import { nowS, signWithSecret } from "../gateway/auth/tokens.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { freePort } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

/**
 * From a change to its effect on the last connection, ms: a second on a machine of its own, and
 * what others may take of this one's time. A watch that does not work would need more.
 */
const EFFECT_MS_MAX = 5000;
const connectionCountMax = 12;
const secret = "a secret of more than thirty-two bytes";
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-nats-edge-"));
let nats: TestNats;
let gateways: readonly Server[] = [];
let plane: Server;

beforeAll(async () => {
  nats = await startTestNats(1);
  const file = path.join(folder, "secret");
  writeFileSync(file, secret);
  const bus = { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1", LOG_LEVEL: "warn" };
  const auth = { AUTH: "jwt", AUTH_JWT_KEY_FILE: file };
  const gateway = async (id: string, max: number) => {
    const port = await freePort();
    const own = { GATEWAY_ID: id, ADVERTISE_URL: `ws://127.0.0.1:${port}/ws` };
    const env = { ...bus, ...auth, ...own, PARTS: "gateway", CONNECTION_COUNT_MAX: `${max}` };
    return startServer({ port, env });
  };
  [plane, ...gateways] = await Promise.all([
    startServer({ env: { ...bus, PARTS: "controlplane", GATEWAY_ID: "plane" } }),
    gateway("one", connectionCountMax),
    gateway("two", 1000),
  ]);
}, 120_000);

afterAll(async () => {
  for (const server of [...gateways, plane]) await server?.kill(); // a drain would only take time
  for (const server of [...gateways, plane]) await server?.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** Does what an operator does, and gives back when the change was made, as performance.now(). */
async function run(args: string[], input = ""): Promise<number> {
  const ended = await runCli(args, { env: { TIDEGATE_CONTROL: plane.grpc }, input });
  expect(ended.code, ended.stderr).toBe(0);
  return performance.now();
}

const tokenFor = (user: string, claims: object = {}) =>
  signWithSecret(secret, { sub: user, exp: nowS() + 3600, iat: nowS(), ...claims });

/** A client of the same token on each gateway. */
async function both(token: string, version = "1.0.0"): Promise<RawClient[]> {
  const build = { name: "app", version, platform: "test" };
  const opened = gateways.map(({ port }) => RawClient.open(port, { token, build }));
  const clients = await Promise.all(opened);
  onTestFinished(async () => {
    for (const client of clients) client.socket.terminate();
    await Promise.all(clients.map(({ closed }) => closed));
  });
  return clients;
}

/** What each gateway answers a Hello with: "welcome", or the reason of the close. */
async function hello(token: string): Promise<string[]> {
  return Promise.all(
    gateways.map(async ({ port }) => {
      const client = new RawClient(port);
      await client.opened();
      client.hello({ token });
      await client.nextCount(1, () => true);
      const isIn = client.frames[0]?.$case === "welcome";
      if (isIn) client.socket.terminate();
      const { reason } = await client.closed;
      return isIn ? "welcome" : reason;
    }),
  );
}

const kinds = ({ frames }: RawClient) => frames.map(({ $case }) => $case);
const expectSoon = (sinceMs: number) =>
  expect(performance.now() - sinceMs).toBeLessThan(EFFECT_MS_MAX);

test.each([
  ["token id", { jti: "t-1" }, ["--token-id", "t-1"], { jti: "t-2" }],
  ["user", { sub: "gone" }, ["--user", "gone", "--issued-before", "0s"], { sub: "other" }],
  ["issue time", { iat: nowS() - 900 }, ["--issued-before", "600s"], { iat: nowS() }],
])(
  "a revocation by %s: both gateways tell, close, and take it no more",
  async (_by, bad, args, fine) => {
    const [token, other] = [await tokenFor("anna", bad), await tokenFor("anna", fine)];
    const [revoked, others] = [await both(token), await both(other)];
    const madeMs = await run(["revocations", "create", ...args]);
    for (const client of revoked) {
      expect(await client.closed).toEqual({ code: 4506, reason: "TOKEN_REVOKED" });
      expect(kinds(client)).toEqual(["welcome", "tokenExpiring", "error"]);
    }
    expectSoon(madeMs);
    expect(await hello(token)).toEqual(["TOKEN_REVOKED", "TOKEN_REVOKED"]);
    expect(await hello(other)).toEqual(["welcome", "welcome"]);
    for (const client of others) {
      await client.settle();
      expect(kinds(client)).toEqual(["welcome", "pong"]);
    }
  },
);

/** A flag that is "b" for the user whom a rule names. */
const flagFor = (user: string) =>
  JSON.stringify({
    metadata: { client: true },
    flags: {
      hue: {
        ...{ state: "ENABLED", variants: { a: "grey", b: "blue" }, defaultVariant: "a" },
        targeting: { if: [{ "==": [{ var: "user" }, user] }, "b"] },
      },
    },
  });

test("a flag: both gateways tell those whose value changes, and nobody else", async () => {
  await run(["flags", "apply", "web", "-f", "-"], flagFor("nobody"));
  const has = async () => {
    const clients = await both(await tokenFor("early"));
    return clients.every(({ welcome }) => welcome?.flags?.flags[0]?.valueJson === '"grey"');
  };
  await expect.poll(has, { timeout: 10_000 }).toBe(true);
  const [ben, carl] = [await both(await tokenFor("ben")), await both(await tokenFor("carl"))];
  const madeMs = await run(["flags", "apply", "web", "-f", "-"], flagFor("ben"));
  for (const client of ben) {
    const { all, flags } = await client.next("flags");
    expect([all, flags.map(({ valueJson, variant }) => [valueJson, variant])]).toEqual([
      ...[false, [['"blue"', "b"]]],
    ]);
  }
  expectSoon(madeMs);
  await run(["flags", "apply", "web", "-f", "-"], flagFor("carl"));
  for (const client of carl) expect((await client.next("flags")).flags[0]?.variant).toBe("b");
  for (const client of carl) expect(kinds(client)).toEqual(["welcome", "flags"]);
});

test("a version gate: both gateways tell, then close those it refuses, and no one else", async () => {
  const gate = (action: string) =>
    JSON.stringify({ name: "app-2", client: "app", required: ">=2.0.0", action });
  const token = await tokenFor("dora");
  const [old, young] = [await both(token, "1.9.9"), await both(token, "2.0.0")];
  let madeMs = await run(["gates", "apply", "-f", "-"], gate("warn"));
  for (const client of old) expect((await client.next("versionMismatch")).required).toBe(">=2.0.0");
  expectSoon(madeMs);
  madeMs = await run(["gates", "apply", "-f", "-"], gate("refuse"));
  for (const client of old) {
    expect(await client.closed).toEqual({ code: 4507, reason: "VERSION_REFUSED" });
  }
  expectSoon(madeMs);
  for (const client of young) {
    await client.settle();
    expect(kinds(client)).toEqual(["welcome", "pong"]);
  }
  await run(["gates", "delete", "app-2"]);
});

test("full: 1013 with a Redirect to the gateway that has room; the SDK follows it", async () => {
  const [one, two] = gateways as [Server, Server];
  const token = await tokenFor("emil");
  const crowd: RawClient[] = [];
  onTestFinished(() => {
    for (const client of crowd) client.socket.terminate();
  });
  const refused = async () => {
    const client = new RawClient(one.port);
    await Promise.race([client.opened(), client.closed]);
    client.hello({ token });
    await client.nextCount(1, () => true);
    if (client.frames[0]?.$case === "welcome") {
      crowd.push(client);
      return null;
    }
    const { code, reason } = await client.closed;
    return { code, reason, first: client.frames[0] };
  };
  // It learns of the other's room within some seconds; until then it names no target.
  const target = async () => {
    const answer = await refused();
    if (answer === null || answer.first?.$case !== "redirect") return "";
    expect(answer).toMatchObject({ code: 1013, reason: "TOO_MANY_CONNECTIONS" });
    return answer.first.value.target;
  };
  await expect.poll(target, { timeout: 20_000, interval: 20 }).toBe(two.url);
  expect(crowd.length).toBeLessThanOrEqual(connectionCountMax);
  const client = await connect(one.url, { token });
  onTestFinished(() => client.close());
  const { status } = client;
  expect(status.state === "open" ? status.connectionId : status.state).toMatch(/^two-/);
  const room = await client.join("chat:redirected");
  await room.publish(new Uint8Array(1));
});

test("the control plane is gone: what was revoked stays so", async () => {
  await plane.kill();
  const token = await tokenFor("anna", { jti: "t-1" });
  await expect.poll(() => hello(token)).toEqual(["TOKEN_REVOKED", "TOKEN_REVOKED"]);
});
