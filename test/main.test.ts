/**
 * The all-in-one as a process: what it refuses to start with, what it answers, and how it stops.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import WebSocket from "ws";
import { NODE_FLAGS } from "../deploy/node-flags.ts";
import { RawClient } from "./gateway/raw-client.ts";
import { type Server, startServer } from "./start-server.ts";

const root = path.resolve(import.meta.dirname, "..");

/** How a process that was expected to end ended. */
interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs main.ts to its end. */
async function runMain(env: Record<string, string>, args: readonly string[] = []): Promise<Ended> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-main-"));
  const child = spawn(
    path.join(root, "node_modules/.bin/node"),
    [...NODE_FLAGS, "main.ts", ...args],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH ?? "",
        PORT: "0",
        CONTROL_PORT: "0",
        DATA_DIR: dataDir,
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000); // shows as code null
  await once(child, "close");
  clearTimeout(timer);
  rmSync(dataDir, { recursive: true, force: true });
  return { code: child.exitCode, ...output };
}

describe("refuses to start", () => {
  test.each([
    ["a wrong value", { PORT: "70000" }, [], ['PORT is "70000"', "0 to 65535"]],
    ["an unknown flag", {}, ["--nonsense"], ["--nonsense", "--help"]],
    ["HOST=0.0.0.0 with AUTH=none", { HOST: "0.0.0.0" }, [], ["HOST", "AUTH"]],
    ["CONTROL_HOST=0.0.0.0", { CONTROL_HOST: "0.0.0.0" }, [], ["0.0.0.0"]],
    [
      "a token file that is not there",
      { AUTH: "static", AUTH_TOKENS_FILE: "/nowhere/tokens" },
      [],
      ["AUTH_TOKENS_FILE", "/nowhere/tokens"],
    ],
  ])("%s: exit 2, OPTION_INVALID with the reason", async (_name, env, args, parts) => {
    const { code, stdout, stderr } = await runMain(env as Record<string, string>, args);
    expect([code, stdout]).toEqual([2, ""]);
    for (const part of ["[OPTION_INVALID]", ...parts]) expect(stderr).toContain(part);
    expect(stderr).not.toContain("    at "); // a sentence, not a stack
  });

  test("--help: exit 0, and every option on stdout", async () => {
    const { code, stdout, stderr } = await runMain({ PORT: "nonsense" }, ["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("--auth-tokens-file");
  });
});

describe("runs", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.close());

  test("the ports of another: exit 1, ADDRESS_IN_USE", async () => {
    const [taken, control] = await Promise.all([
      runMain({ PORT: String(server.port) }),
      runMain({ CONTROL_PORT: String(server.controlPort) }),
    ]);
    for (const ended of [taken, control]) {
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain("[ADDRESS_IN_USE]");
    }
    await (await RawClient.open(server.port)).close(); // the other goes on
  });

  test("the data folder of another: exit 1, STORE_LOCKED", async () => {
    const { code, stderr } = await runMain({ DATA_DIR: server.dataDir });
    expect(code).toBe(1);
    expect(stderr).toContain("[STORE_LOCKED]");
  });

  test("/livez, /readyz and /health answer, other paths do not", async () => {
    const client = await RawClient.open(server.port);
    await client.join("chat:a");
    const get = (urlPath: string, init?: RequestInit) => fetch(`${server.http}${urlPath}`, init);
    expect(await (await get("/livez")).text()).toBe("ok\n");
    expect((await get("/readyz")).status).toBe(200);
    const response = await get("/health");
    expect(response.headers.get("content-type")).toBe("application/json");
    const health = (await response.json()) as Record<string, unknown>;
    expect(health).toMatchObject({
      ...{ status: "ok", connections: 1, rooms: 1, members: 1 },
      bus: { connected: true },
    });
    expect(health.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(health.memory).toMatchObject({ rss_bytes: expect.any(Number) });
    for (const other of ["/", "/ws", "/metrics", "/../package.json", "/%2e%2e/package.json"]) {
      expect((await get(other)).status).toBe(404);
    }
    expect((await get("/anything", { method: "POST", body: "x" })).status).toBe(404);
    await client.close();
  });

  test.each([
    {
      who: "a page of another site",
      options: { origin: "https://evil.example" },
      code: "ORIGIN_REFUSED",
    },
    { who: "a sandboxed page", options: { origin: "null" }, code: "ORIGIN_REFUSED" },
    {
      who: "a page that rebound its own name to us",
      options: { origin: "http://evil.example:80", headers: { Host: "evil.example:80" } },
      code: "HOST_REFUSED",
    },
    {
      who: "a program that names another host",
      options: { headers: { Host: "evil.example" } },
      code: "HOST_REFUSED",
    },
  ])("$who: 403 with $code", async ({ options, code }) => {
    const client = new RawClient(server.port, options);
    const [, response] = await once(client.socket, "unexpected-response");
    expect(response.statusCode).toBe(403);
    let body = "";
    for await (const chunk of response) body += chunk;
    expect(body).toContain(`[${code}]`);
    client.socket.terminate();
  });

  test("a page that rebound its name to us reads nothing, probes may name us anything", async () => {
    const get = async (urlPath: string) => {
      const headers = { Host: "evil.example" };
      const [response] = (await once(
        request(`${server.http}${urlPath}`, { headers }).end(),
        "response",
      )) as [IncomingMessage];
      let body = "";
      for await (const chunk of response) body += chunk;
      return [response.statusCode, body] as const;
    };
    for (const urlPath of ["/health", "/"]) {
      const [status, body] = await get(urlPath);
      expect([status, body.slice(0, 14)]).toEqual([403, "[HOST_REFUSED]"]);
    }
    expect(await get("/livez")).toEqual([200, "ok\n"]);
    expect(await get("/readyz")).toEqual([200, "ok\n"]);
  });

  test("a page of our own may connect", async () => {
    const client = new RawClient(server.port, { origin: server.http });
    await client.opened();
    await client.close();
  });

  test("a foreign subprotocol: 400; none at all is fine", async () => {
    const foreign = new WebSocket(server.url, "mqtt");
    const [, response] = await once(foreign, "unexpected-response");
    expect(response.statusCode).toBe(400);
    response.destroy();
    const bare = new WebSocket(server.url);
    await once(bare, "open");
    expect(bare.protocol).toBe("");
    bare.terminate();
  });
});

describe("stops", () => {
  test("SIGTERM: busy clients are told 4003, acknowledged messages stay, exit 0", async () => {
    const server = await startServer();
    const clients = await Promise.all(Array.from({ length: 8 }, () => RawClient.open(server.port)));
    const acked: string[] = [];
    let isOver = false;
    const closes = Promise.all(clients.map((client) => client.closed));
    const publishing = clients.map(async (client, i) => {
      for (let seq = 1; !isOver; seq += 1) {
        const payload = `${i}:${seq}`;
        const isAcked = await client.ack(client.publish({ room: "chat:stop", seq, payload })).then(
          () => true,
          () => false, // closed instead
        );
        if (!isAcked) return;
        acked.push(payload);
      }
    });
    const first = clients[0];
    if (first !== undefined) await first.next("publishAck");
    const exit = server.stop();
    const codes = (await closes).map(({ code }) => code);
    isOver = true;
    await Promise.all(publishing);
    expect(codes).toEqual(clients.map(() => 4003));
    expect(await exit).toBe(0);
    expect(acked.length).toBeGreaterThan(0);
    const again = await startServer({ dataDir: server.dataDir });
    const reader = await RawClient.open(again.port);
    const joined = await reader.join("chat:stop", { history: 500 });
    const stored = new Set<string>();
    await reader.settle();
    const count = Math.min(acked.length, 500);
    for (const text of await reader.texts(joined.roomAlias, count)) stored.add(text);
    expect(acked.slice(-400).filter((payload) => !stored.has(payload))).toEqual([]);
    await again.close();
    await server.close();
    rmSync(server.dataDir, { recursive: true, force: true });
  });
});
