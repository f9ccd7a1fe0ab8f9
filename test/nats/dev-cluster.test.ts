/**
 * `npm run dev:cluster`: seven processes that form one system, all ended by one signal.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import { RawClient } from "../gateway/raw-client.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** The first of four, below those that systems give away, and another one in each run. */
const ADMIN_PORT = 20_000 + (process.pid % 1_000) * 10;

test("dev:cluster: starts, carries a message between its gateways, and stops clean", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-dev-"));
  const env = { ...process.env, DATA_DIR: folder, ADMIN_PORT: String(ADMIN_PORT) };
  const child = spawn(
    path.join(root, "node_modules/.bin/node"),
    [...NODE_FLAGS, "deploy/dev-cluster/main.ts"],
    { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] },
  );
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGINT");
    await exited;
    rmSync(folder, { recursive: true, force: true });
  });
  let text = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.includes("Ctrl-C stops all of it.")) break;
  }
  const ports = [...text.matchAll(/WebSocket +ws:..127\.0\.0\.1:(\d+)/g)].map((m) => Number(m[1]));
  expect(ports, text).toHaveLength(2);
  expect(text.match(/gRPC +127/g)).toHaveLength(2);
  const metrics = [...text.matchAll(/metrics +(http\S+)/g)].map(([, url = ""]) => url);
  expect(metrics).toHaveLength(4);
  for (const url of metrics) expect(await (await fetch(url)).text()).toContain("tidegate_");
  const [a, b] = [await RawClient.open(ports[0] ?? 0), await RawClient.open(ports[1] ?? 0)];
  const { roomAlias } = await a.join("chat:dev");
  await b.ack(b.publish({ room: "chat:dev", seq: 1, payload: "across" }));
  expect(await a.texts(roomAlias, 1)).toEqual(["across"]);
  const pids = processesUsing(folder);
  expect(pids.length).toBeGreaterThanOrEqual(3);
  child.kill("SIGINT");
  const [code] = (await exited) as [number | null];
  expect(code).toBe(0);
  expect((await a.closed).code).toBe(4003);
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
}, 90_000);

/** Processes whose command line names the folder: the nats-servers. */
function processesUsing(folder: string): number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(folder);
      } catch {
        return false; // it has ended meanwhile
      }
    });
}
