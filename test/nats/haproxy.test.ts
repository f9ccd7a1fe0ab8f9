/**
 * A drain behind a real load balancer: HAProxy sees the readiness fall and sends newcomers
 * elsewhere before the gateway refuses any; its clients move through HAProxy, without targets.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { text } from "../../sdk/typescript/codec.ts";
import { connect } from "../../sdk/typescript/connect.ts";
import { RawClient } from "../gateway/raw-client.ts";
import type { Server } from "../start-server.ts";
import { freePort, healthOf, startGateway } from "./drain-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

/** Debian's package installs it where only root's PATH leads. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
const CLIENT_COUNT = 40;

const version = readVersion();
if (version === "") console.error("not run: no haproxy here (Debian package haproxy)");

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 120_000);

afterAll(() => nats?.stop());

function readVersion(): string {
  try {
    return execFileSync("haproxy", ["-v"], { env: { PATH }, encoding: "utf8" });
  } catch {
    return ""; // not installed: CI installs it, and there the test must run
  }
}

/** The gateway that a newcomer gets; throws when it is refused. */
async function newcomerAt(port: number): Promise<string> {
  const client = await RawClient.open(port);
  client.socket.terminate();
  return client.welcome?.connectionId.split("-")[0] ?? "";
}

/** HAProxy in front of the gateways, as docs/drain.md sets it up; ends with the test. */
async function startHaproxy(servers: readonly Server[]): Promise<{ port: number; url: string }> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-haproxy-"));
  const port = await freePort();
  const lines = servers.map(({ port: to }, i) => `  server gw${i} 127.0.0.1:${to} check`);
  const config = `defaults
  mode http
  timeout connect 5s
  timeout check 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  default-server inter 500ms fall 2 rise 1
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  balance leastconn
  option httpchk
  http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host gateway
${lines.join("\n")}
`;
  const file = path.join(folder, "haproxy.cfg");
  writeFileSync(file, config);
  const haproxy: ChildProcess = spawn("haproxy", ["-db", "-f", file], {
    env: { PATH },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(haproxy, "exit");
  onTestFinished(async () => {
    haproxy.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const seen = new Set<string>();
  const seesAll = async () => {
    const id = await newcomerAt(port).catch(() => ""); // none is up yet
    if (id !== "") seen.add(id);
    return seen.size === servers.length;
  };
  await vi.waitUntil(seesAll, { timeout: 30_000 });
  return { port, url: `ws://127.0.0.1:${port}/ws` };
}

test.skipIf(version === "" && process.env.CI === undefined)(
  "HAProxy: a drain costs no newcomer, and every client goes on at the other gateway",
  async () => {
    const none = { ADVERTISE_URL: "" };
    const drained = { ...none, GATEWAY_ID: "drained", DRAIN_ANNOUNCE_MS: "4000" };
    const [a, b] = await Promise.all([
      startGateway(nats.urls, drained),
      startGateway(nats.urls, { ...none, GATEWAY_ID: "staying" }),
    ]);
    const proxy = await startHaproxy([a, b]);
    const members = await Promise.all(
      Array.from({ length: CLIENT_COUNT }, async () => {
        const client = await connect(proxy.url, { codec: text });
        const room = await client.join("chat:proxied");
        return { client, words: room[Symbol.asyncIterator]() };
      }),
    );
    onTestFinished(() => Promise.all(members.map(({ client }) => client.close())).then(() => {}));
    expect((await healthOf(a)).connections).toBeGreaterThan(CLIENT_COUNT / 4);

    process.kill(a.pid, "SIGTERM");
    let isGone = false;
    void a.ended.then(() => {
      isGone = true;
    });
    const newcomers: string[] = [];
    while (!isGone) {
      newcomers.push(await newcomerAt(proxy.port));
    }
    expect(await a.ended).toBe(0);
    expect(newcomers.length).toBeGreaterThan(20);
    expect(newcomers.at(-1)).toBe("staying");

    const [first] = members;
    const sent = ["1", "2", "3"];
    for (const word of sent) await first?.client.publish("chat:proxied", word);
    for (const { words, client } of members) {
      for (const word of sent) {
        expect((await words.next()).value).toMatchObject({ type: "message", payload: word });
      }
      expect(client.status).toMatchObject({ connectionId: expect.stringMatching(/^staying-/) });
    }
  },
  90_000,
);
