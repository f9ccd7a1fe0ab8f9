/**
 * A real HAProxy in TCP mode that sends PROXY v2: the gateway knows each client's own address, and
 * a client that writes such a header itself gets nowhere.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { RawClient } from "../gateway/raw-client.ts";
import { testGateway } from "../gateway/start-gateway.ts";
import { proxyHeader, RawSocket, upgradeRequest } from "./raw-http.ts";

/** Debian's package installs it where only root's PATH leads. */
const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
/** Upgrades that one address may make at once, with a rate of 1. */
const BURST = 10;

const hasHaproxy = readVersion() !== "";
if (!hasHaproxy) console.error("not run: no haproxy here (Debian package haproxy)");

function readVersion(): string {
  try {
    return execFileSync("haproxy", ["-v"], { env: { PATH }, encoding: "utf8" });
  } catch {
    return ""; // not installed: CI installs it, and there the test must run
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** HAProxy as docs/edge.md sets it up, without TLS and checks; ends with the test. */
async function startHaproxy(gatewayPort: number): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-haproxy-"));
  const port = await freePort();
  const file = path.join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    `defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:${port}
  default_backend gateways
backend gateways
  server gw1 127.0.0.1:${gatewayPort} send-proxy-v2
`,
  );
  const stdio = ["ignore", "ignore", "inherit"] as const;
  const haproxy = spawn("haproxy", ["-db", "-f", file], { env: { PATH }, stdio: [...stdio] });
  const ended = once(haproxy, "exit");
  onTestFinished(async () => {
    haproxy.kill("SIGKILL");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  });
  const isUp = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false)).unref();
      onTestFinished(() => void socket.destroy());
    });
  await vi.waitUntil(isUp, { timeout: 30_000 });
  return port;
}

test.skipIf(!hasHaproxy && process.env.CI === undefined)(
  "HAProxy with send-proxy-v2: addresses are the clients', and none can be forged",
  async () => {
    const proxied = { proxyProtocol: true, trustedProxies: ["127.0.0.1"], answersHttp: false };
    const options = { ...proxied, addressConnectRateMax: 1 };
    const clock = { nowUs: () => 1e15 }; // stands still: what is used up stays so
    const gateway = await testGateway({ options, parts: { clock } });
    const port = await startHaproxy(gateway.port);
    const from = (localAddress: string) => RawClient.open(port, {}, { localAddress });

    // Each address has its own rate, so the gateway sees which is which.
    for (let i = 0; i < BURST; i += 1) (await from("127.0.0.77")).socket.terminate();
    await expect(from("127.0.0.77")).rejects.toThrow();
    const honest = await from("127.0.0.78");
    const { roomAlias } = await honest.join("live:proxied");
    honest.publish({ room: "live:proxied", payload: "through" });
    expect(await honest.texts(roomAlias, 1)).toEqual(["through"]);

    // From an address that has used its rate up: a header of the client's own, in every place.
    const forged = proxyHeader("203.0.113.9");
    const get = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    const request = upgradeRequest();
    const attempts: (readonly (Buffer | string)[])[][] = [
      [[request]],
      [[forged, request]],
      [[get, forged, request]],
      [[get], [forged, request]],
      [[`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx`, forged, request]],
      [[request.replace("127.0.0.1", "evil.example"), forged, request]],
    ];
    for (const [i, segments] of attempts.entries()) {
      const socket = new RawSocket(port, "127.0.0.77");
      for (const segment of segments) socket.send(...segment);
      expect([i, await socket.isUpgraded(), socket.answer]).toEqual([i, false, ""]);
    }
  },
  60_000,
);
