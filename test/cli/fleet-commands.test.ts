/**
 * `tidegatectl gateways, shards, slots, route` against a real control plane.
 */
import { hostname } from "node:os";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { roomAddress } from "../../bus/subjects.ts";
import { appendMany, newRoom } from "../bus/contract-tools.ts";
import { openControlPlane, testControlPlane } from "../controlplane/start-control-plane.ts";
import { runCli, runProcess, startCli } from "./run-cli.ts";

let address = "";

beforeAll(async () => {
  const opened = await openControlPlane();
  address = opened.plane.address;
  await appendMany(opened.bus, newRoom(), 5);
  return () => opened.close();
});

function run(...args: string[]) {
  return runCli(args, { env: { TIDEGATE_CONTROL: address } });
}

/** What a run that must succeed printed. */
async function output(...args: string[]): Promise<string> {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended.stdout;
}

test("gateways: this process as a table, as JSON, and alone with all that is known", async () => {
  const [head, row, ...rest] = (await output("gateways")).split("\n");
  expect(head).toMatch(/^ID +KIND +STATE +REGION +CONNS +ROOMS +CPU +CONFIG +VERSION$/);
  expect(row).toMatch(/^tidegate +all +live( +-){6}$/);
  expect(rest).toEqual([""]);
  expect(JSON.parse(await output("gateways", "-o", "json"))).toMatchObject([
    { id: "tidegate", host: hostname(), pid: process.pid, expireTime: null, routingRevision: 0 },
  ]);
  expect(await output("gateways", "tidegate")).toMatch(/^incarnation +[0-9a-f]{16}$/m);
});

test("shards: the store as a table, as JSON, and alone with its settings", async () => {
  expect(await output("shards")).toMatch(/\n0 +active +1024 +5 +\d+ B +8\.0 GiB +0% +1 +-\n$/);
  expect(JSON.parse(await output("shards", "-o", "json"))).toMatchObject([
    { shard: 0, slotCount: 1024, messageCount: 5, firstSequence: 1, lastSequence: 5, trouble: "" },
  ]);
  expect(await output("shards", "0")).toMatch(/^settings\.retentionMs +2592000000$/m);
});

test("slots: all of them over several pages, those of a shard, those that move, one", async () => {
  const all = (await output("slots")).trimEnd().split("\n");
  expect(all).toHaveLength(1025);
  expect(all[1024]).toMatch(/^1023 +open +1 +0 +- +- +- +0$/);
  expect(JSON.parse(await output("slots", "--shard", "0", "-o", "json"))).toHaveLength(1024);
  expect((await output("slots", "--moving")).trimEnd().split("\n")).toHaveLength(1);
  expect(await output("slots", "517")).toMatch(/^epoch +1$/m);
});

test("route: which slot, shard and epoch a room is in, by its tenant", async () => {
  const { slot } = roomAddress("default", "chat:lobby");
  const text = await output("route", "chat:lobby");
  expect(text).toMatch(new RegExp(`^slot +${slot}$`, "m"));
  const json = JSON.parse(await output("route", "chat:lobby", "--tenant", "acme", "-o", "json"));
  const other = roomAddress("acme", "chat:lobby").slot;
  expect(json).toMatchObject({ room: "chat:lobby", tenant: "acme", slot: other, shard: 0 });
});

test.each([
  [["gateways", "none"], 5, "[NOT_FOUND]"],
  [["shards", "7"], 5, "there is no shard 7"],
  [["slots", "1024"], 5, "has no slot 1024"],
  [["slots", "--shard", "7"], 5, "there is no shard 7"],
  [["slots", "5", "--moving"], 2, "one slot, and a filter"],
  [["gateways", "NONE"], 2, "gateways/NONE"],
  [["route", "lobby"], 2, "[ROOM_NAME_INVALID]"],
  [["route", "chat:a", "--tenant", "A"], 2, "is no tenant"],
])("%j: ends with exit code %d and says why", async (args, code, reason) => {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toContain(reason);
});

test.each([[["gateways"]], [["shards", "--watch"]], [["slots"]], [["route", "chat:a"]]])(
  "%j: without a control plane it ends with exit code 3 and says how to mend it",
  async (args) => {
    const ended = await runCli([...args, "--control", "127.0.0.1:1"]);
    expect(ended).toMatchObject({ code: 3, stdout: "" });
    expect(ended.stderr).toContain("127.0.0.1:1 can not be reached: ECONNREFUSED");
    expect(ended.stderr).toContain("--control host:port or TIDEGATE_CONTROL");
  },
);

test("--watch: draws again, says when the control plane is away, and ends with Ctrl-C", async () => {
  const { plane, bus } = await testControlPlane();
  const watch = startCli(["shards", "-o", "json", "--watch"], { TIDEGATE_CONTROL: plane.address });
  onTestFinished(() => void watch.child.kill("SIGKILL"));
  await watch.until('"messageCount": 0');
  await appendMany(bus, newRoom(), 3);
  await watch.until('"messageCount": 3');
  await plane.close();
  await watch.until("[UNAVAILABLE]", "stderr");
  watch.child.kill("SIGINT");
  expect((await watch.ended).code).toBe(130);
}, 30_000);

test("gateways: as a process", async () => {
  const ended = await runProcess(["gateways"], { env: { TIDEGATE_CONTROL: address } });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toContain("\ntidegate ");
});
