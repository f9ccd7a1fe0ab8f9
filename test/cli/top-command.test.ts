/** `tidegatectl top` against a real control plane: once, as JSON, and on a screen. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { beforeAll, expect, test, vi } from "vitest";
import { runCommand } from "../../cli/run.ts";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { openTestGateway } from "../gateway/start-gateway.ts";
import { binary, runCli } from "./run-cli.ts";

const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
let address = "";
let stopPlane: () => Promise<void>;

beforeAll(async () => {
  const gateway = await openTestGateway({ parts: { gatewayId: "tidegate" } });
  const plane = await startControlPlane(gateway.bus, silentLog, { port: 0 });
  address = plane.address;
  stopPlane = () => plane.close();
  await (await gateway.client()).join("chat:lobby");
  return async () => {
    await plane.close();
    await gateway.close();
  };
});

const run = (...args: string[]) => runCli(["top", ...args], { env: { TIDEGATE_CONTROL: address } });

test("--once: a table without colours or cursor movements, as long as it is", async () => {
  const { code, stdout, stderr } = await run("--once");
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/^tidegate {2}1 gateway, 1 control\n/);
  expect(stdout).toMatch(/^GATEWAY +STATE +CONNS +ROOMS +IN\/S +OUT\/S +CPU .* BUILD +REGION/m);
  expect(stdout).toMatch(/^tidegate +serving +\d/m);
  expect(stdout).not.toContain("\u001b");
});

test("--once -o json: sums, gateways, rooms, slow connections", async () => {
  const { stdout } = await run("--once", "-o", "json", "--tenant", "acme");
  expect(JSON.parse(stdout)).toMatchObject({
    sums: { gateways: 1, serving: 1, silent: 0, controlPlanes: 1, slowConnections: 0 },
    gateways: [{ id: "tidegate", facts: { rssBytes: expect.any(Number), slowConnectionCount: 0 } }],
    ...{ rooms: [], slowConnections: [], silentGateways: [], activityTrouble: "" },
  });
});

test.each([
  [["--interval", "500ms"], 2, "1s or more"],
  [["--sort", "luck"], 2, "luck"],
  [["--tenant", "A"], 2, "is no tenant"],
  [["--control", "127.0.0.1:1"], 3, "can not be reached"],
])("%j: ends with exit code %d and says why", async (args, code, reason) => {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toContain(reason);
});

/** Runs `top` on a screen that the test sees, with keys that the test presses. */
function openScreen() {
  let shown = "";
  const size = { columns: 80, rows: 24 };
  const taken: { key: (key: string) => void; resize: () => void }[] = [];
  let isGivenBack = false;
  const stdout = new Writable({
    write(chunk, _encoding, done) {
      shown = String(chunk);
      done();
    },
  });
  const screen = {
    hasColour: false,
    size: () => size,
    take(key: (key: string) => void, resize: () => void) {
      taken.push({ key, resize });
      return () => {
        isGivenBack = true;
      };
    },
  };
  const context = {
    ...{ stdin: Readable.from([]), stdout, stderr: stdout, isTerminal: true, isKeyboard: true },
    ...{ screen, signal: new AbortController().signal },
  };
  const defaults = { url: "", control: address, token: "", tokenFile: "", tenant: "default" };
  const tls = { tlsCa: "", tlsCert: "", tlsKey: "" };
  const setup = { version: "0", defaults: { ...defaults, ...tls }, readFile: () => "" };
  const ended = runCommand(["top", "--interval", "1s"], context, setup, false);
  const lines = () => shown.split("\r\n").map((line) => line.replaceAll("\u001b[K", ""));
  const until = (isSo: () => boolean) => vi.waitUntil(isSo, { timeout: 20_000, interval: 20 });
  return { taken, size, ended, lines, until, isGivenBack: () => isGivenBack };
}

test("on a screen: drawn in place, s sorts, a new size is drawn at once, q ends", async () => {
  const { taken, size, ended, lines, until, isGivenBack } = openScreen();
  await until(() => taken.length === 1 && lines().length > 5);
  expect(lines()[0]?.replace("\u001b[H", "^")).toMatch(
    /^\^tidegate {2}1 gateway, 1 control +\d\d:\d\d:\d\d$/,
  );
  taken[0]?.key("s");
  expect(lines().at(-1)).toContain("s sort: messages");
  Object.assign(size, { columns: 200, rows: 8 });
  taken[0]?.resize();
  expect(lines().length).toBeLessThanOrEqual(8);
  expect(lines().join("\n")).toContain("MEMBERS");
  expect(isGivenBack()).toBe(false);
  taken[0]?.key("q");
  expect([await ended, isGivenBack()]).toEqual([0, true]);
});

test("on a real terminal: nothing is left of it after q", async () => {
  const python = path.resolve(import.meta.dirname, "../../.cache/venv/bin/python");
  const script = path.resolve(import.meta.dirname, "in_terminal.py");
  expect(existsSync(python)).toBe(true);
  const args = [script, "80", "24", "q quit", "q", binary, "--control", address, "top"];
  const { stdout } = await promisify(execFile)(python, args);
  const { output, exitCode } = JSON.parse(stdout) as { output: string; exitCode: number };
  expect(exitCode).toBe(0);
  expect(output.startsWith("\u001b[?1049h\u001b[?25l")).toBe(true);
  expect(output.endsWith("\u001b[?25h\u001b[?1049l")).toBe(true);
  expect(output).toMatch(/GATEWAY[^\n]+STATE[^\n]+BUILD/);
}, 60_000);

test("the control plane goes away: the last picture stays, with its age; Ctrl-C ends", async () => {
  const { taken, ended, lines, until } = openScreen();
  await until(() => taken.length === 1 && lines().length > 5);
  await stopPlane();
  await until(() => /^q quit {3}as of \d+s ago: the control plane at/.test(lines().at(-1) ?? ""));
  expect(lines().join("\n")).toContain("tidegate  ");
  taken[0]?.key("\u0003");
  expect(await ended).toBe(0);
}, 60_000);
