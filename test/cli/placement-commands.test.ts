/**
 * `tidegatectl shards|slots|groups|rebalance|operations …` against a real control plane.
 */
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { appendMany, newRoom } from "../bus/contract-tools.ts";
import { openControlPlane, type TestControlPlane } from "../controlplane/start-control-plane.ts";
import { runCli, startCli } from "./run-cli.ts";

let plane: TestControlPlane & { close(): Promise<void> };

beforeEach(async () => {
  plane = await openControlPlane();
});

afterEach(() => plane.close());

function run(...args: string[]) {
  return runCli(args, { env: { TIDEGATE_CONTROL: plane.plane.address } });
}

/** What a run that must succeed printed. */
async function output(...args: string[]): Promise<string> {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended.stdout;
}

async function json(...args: string[]) {
  return JSON.parse(await output(...args, "-o", "json"));
}

test("shards: create, rebalance, drain, delete: each says what it did and what is next", async () => {
  expect(await output("shards", "create", "--dry-run")).toMatch(/^a shard of group 0 would be/);
  expect(await json("shards")).toHaveLength(1);
  expect(await output("shards", "create", "--size", "64MiB", "--retention", "1d")).toBe(
    "shard 1 is created; it has no slots yet\n  tidegatectl rebalance 0\n",
  );
  expect(await json("shards", "1")).toMatchObject({
    ...{ shard: 1, group: 0, state: "active", slotCount: 0, capacity: 1 },
    settings: { bytesMax: 64 * 1024 ** 2, retentionMs: 86_400_000 },
  });
  const plan = await output("rebalance", "--dry-run");
  expect(plan).toMatch(/^rebalance group 0: \d+ moves \(dry run, nothing was begun\)\nSLOT /);
  const moved = await output("slots", "move", "5", "--to", "1", "--wait");
  expect(moved).toMatch(/\[#{20}\] 1\/1 succeeded: the slot is moved\n$/);
  expect(await json("slots", "5")).toMatchObject({ slot: 5, shard: 1, epoch: 2 });
  expect(await output("shards", "drain", "1", "--dry-run")).toContain("drain shard 1: 1 moves");
  const drained = await output("shards", "drain", "1", "--wait");
  expect(drained).toMatch(/1\/1 succeeded: the shard is retired\n$/);
  expect(await output("shards")).toMatch(/^1 +retired +0 /m);
  expect(await output("shards", "delete", "1", "--dry-run")).toContain("nothing was written");
  expect(await output("shards", "delete", "1")).toBe("shard 1 is deleted\n");
  expect(await json("shards")).toHaveLength(1);
}, 30_000);

test("shards: update, retire and activate", async () => {
  expect(await json("shards", "create")).toMatchObject({ shard: 1, state: "active" });
  const bytes = ["--size", "128MiB", "--region", "eu", "--capacity", "2"];
  expect(await output("shards", "update", "1", ...bytes)).toBe("shard 1 is changed\n");
  expect(await json("shards", "1")).toMatchObject({
    ...{ region: "eu", capacity: 2, settings: { bytesMax: 128 * 1024 ** 2 } },
  });
  expect(await output("shards", "retire", "1")).toBe("shard 1 is retired\n");
  expect(await output("shards", "activate", "1")).toBe("shard 1 is active\n");
  expect(await run("shards", "update", "1")).toMatchObject({ code: 2 });
  expect((await run("shards", "update", "1", "--size", "many")).stderr).toContain("8GiB");
});

test("slots: pin and unpin, and where a pinned one goes", async () => {
  await output("shards", "create");
  expect(await output("slots", "pin", "7", "--to", "1")).toBe(
    "slot 7 is pinned to shard 1\n  It moves there with: tidegatectl rebalance 0\n",
  );
  expect(await output("slots", "pin", "8")).toBe("slot 8 is pinned to shard 0\n");
  const refused = await run("slots", "move", "8", "--to", "1");
  expect(refused).toMatchObject({ code: 6, stdout: "" });
  expect(refused.stderr).toContain("[SLOT_PINNED]");
  expect(refused.stderr).toContain("slots move --pin");
  expect(await output("slots", "unpin", "8")).toBe("slot 8 is not pinned\n");
  expect(await json("slots", "7")).toMatchObject({ pinnedShard: 1, shard: 0 });
});

test("groups: create, list, update, delete; a class is in one", async () => {
  const made = await output("groups", "create", "1", "--regions", "eu", "--shards", "2");
  expect(made).toBe("group 1 is created with 2 shards\n");
  expect(await output("groups", "list")).toMatch(/^1 +eu +1024 +1,2$/m);
  expect(await json("groups", "get", "1")).toMatchObject({ group: 1, shards: [1, 2] });
  expect(await output("groups", "update", "1", "--regions", "")).toContain("any region");
  expect(await json("slots", "1-5")).toMatchObject({ slot: 5, group: 1, shard: 2 });
  expect(await output("groups", "delete", "1")).toBe("group 1 is deleted\n");
  expect(await json("shards")).toHaveLength(1);
  expect((await run("groups", "delete", "0")).stderr).toContain("[GROUP_IN_USE]");
});

test("operations: list, get, pause, resume, abort and watch", async () => {
  await output("shards", "create");
  const begun = await json("rebalance");
  expect(begun).toMatchObject({ state: "running", work: "rebalance group 0" });
  const { id } = begun;
  expect(await output("operations", "pause", id)).toBe(`operation ${id} is paused\n`);
  expect(await output("operations", "list", "--running")).toMatch(
    new RegExp(`^${id} +paused +rebalance group 0 `, "m"),
  );
  expect(await json("operations", "get", id)).toMatchObject({ id, state: "paused" });
  expect(await output("operations", "resume", id)).toContain("is running");
  expect(await output("operations", "abort", id)).toContain("is aborting");
  const watched = await run("operations", "watch", id);
  expect(watched.stdout).toMatch(/aborted: \d+ moves were not made\n$/);
  expect(watched).toMatchObject({ code: 6 });
  expect(watched.stderr).toContain("[OPERATION_ENDED]");
  const late = await run("operations", "pause", id);
  expect(late.stderr).toContain("[OPERATION_ENDED]");
  expect(await output("operations", "get", id)).toMatch(/^SLOT +FROM +TO +REASON/m);
}, 30_000);

test.each([
  [["shards", "drain", "0"], 6, "[NO_ACTIVE_SHARD]", "Create a shard"],
  [["shards", "drain", "9"], 5, "[NOT_FOUND]", "tidegatectl shards shows"],
  [["shards", "delete", "0"], 6, "[SHARD_IN_USE]", "rain"],
  [["shards", "retire", "0"], 6, "[SHARD_IN_USE]", "rain"],
  [["shards", "create", "--group", "3"], 5, "[NOT_FOUND]", ""],
  [["shards", "create", "--replicas", "2"], 2, "settings.replica_count: 2 is not 1, 3 or 5", ""],
  [["slots", "move", "1024", "--to", "0"], 5, "has no slot 1024", ""],
  [["slots", "move", "x", "--to", "0"], 2, "is no slot", "<group>-<number>"],
  [["slots", "move", "5"], 2, "--to", ""],
  [["groups", "create", "0"], 6, "[ALREADY_EXISTS]", ""],
  [["groups", "get", "4"], 5, "[NOT_FOUND]", ""],
  [["operations", "get", "none"], 5, "[NOT_FOUND]", ""],
  [["operations", "abort", "NONE"], 2, "[REQUEST_INVALID]", ""],
  [["operations", "watch", "none"], 5, "[NOT_FOUND]", ""],
])("%j: ends with exit code %d and says why", async (args, code, reason, fix) => {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code, stdout: "" });
  expect(ended.stderr).toContain(reason);
  expect(ended.stderr).toContain(fix);
});

test("operations watch: ends with Ctrl-C, and the operation goes on", async () => {
  await appendMany(plane.bus, newRoom(), 5);
  await output("shards", "create");
  const { id } = await json("rebalance");
  await output("operations", "pause", id);
  const env = { TIDEGATE_CONTROL: plane.plane.address };
  const watch = startCli(["operations", "watch", id], env);
  onTestFinished(() => void watch.child.kill("SIGKILL"));
  await watch.until("paused");
  watch.child.kill("SIGINT");
  expect((await watch.ended).code).toBe(130);
  expect(await json("operations", "get", id)).toMatchObject({ state: "paused" });
}, 30_000);

test("--control with several addresses: the first that answers is asked", async () => {
  const { address } = plane.plane;
  const ended = await runCli(["shards"], { env: { TIDEGATE_CONTROL: `127.0.0.1:1,${address}` } });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  const none = await runCli(["shards"], { env: { TIDEGATE_CONTROL: "127.0.0.1:1,127.0.0.1:2" } });
  expect(none).toMatchObject({ code: 3 });
  expect(none.stderr).toContain("127.0.0.1:2 can not be reached");
  const bad = await runCli(["shards"], { env: { TIDEGATE_CONTROL: `${address},nowhere` } });
  expect(bad).toMatchObject({ code: 2 });
});

test("gateways drain, undrain: the only gateway, and one that is not there, are refused", async () => {
  const [{ id }] = await json("gateways");
  const alone = await run("gateways", "drain", id, "--dry-run");
  expect(alone.stderr).toContain("nowhere to go");
  expect((await run("gateways", "drain", "nobody")).stderr).toContain("nobody");
  const short = await run("gateways", "drain", id, "--announce", "30s", "--deadline", "30s");
  expect(short.stderr).toContain("announce_ms");
  expect((await run("gateways", "undrain", "nobody")).stderr).toContain("nobody");
});

test("operations watch: a control plane that ends is waited for, another goes on telling", async () => {
  await output("shards", "create");
  const { id } = await json("rebalance");
  await output("operations", "pause", id);
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const other = await startControlPlane(plane.bus, log, { port: 0 });
  const addresses = `${other.address},${plane.plane.address}`;
  const watch = startCli(["operations", "watch", id], { TIDEGATE_CONTROL: addresses });
  onTestFinished(() => void watch.child.kill("SIGKILL"));
  await watch.until("paused");
  await other.close();
  await watch.until("waited for", "stderr");
  await output("operations", "abort", id);
  const { code, stdout } = await watch.ended;
  expect([code, stdout]).toEqual([6, expect.stringContaining("aborted")]);
}, 30_000);
