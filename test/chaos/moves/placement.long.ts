/**
 * What an operator does to shards and groups, end to end: by tidegatectl against two real control
 * planes on a real cluster, while publishers and members go on. The leader is killed inside a
 * rebalance. At the end the history checker says whether anybody lost, got twice or out of order.
 */
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { roomAddress } from "../../../bus/subjects.ts";
import {
  ListHistoryRequest,
  MessagingServiceClient,
} from "../../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { runCli, startCli } from "../../cli/run-cli.ts";
import { call } from "../../controlplane/start-control-plane.ts";
import { comparePlaces, type Publish, parsePlace } from "../history.ts";
import type { ServerProcess } from "../server-process.ts";
import { MoveStage, type Row, until } from "./stage.ts";

const rowCount = 8;
const firstCount = rowCount * 2;
/** A rebalance of some 60 slots on a busy machine. */
const REBALANCE_MS_MAX = 150_000;
/** Publishes are looked up for 30 s where a slot has left (R4): a shard stays so long. */
const DELETE_MS_MAX = 60_000;
let stage: MoveStage;
let servers: readonly ServerProcess[];
let turn = 0;

beforeAll(async () => {
  stage = await MoveStage.start(rowCount);
  servers = [stage.world.controlPlane, await stage.world.addControlPlane("cp-other")];
}, 180_000);

afterAll(async () => {
  await stage?.close();
});

/** tidegatectl: each control plane is asked in turn, and the other when that one is dead. */
function run(...args: string[]) {
  turn += 1;
  const addresses = servers.map((_, i) => servers[(i + turn) % servers.length]?.grpc);
  return runCli(args, { env: { TIDEGATE_CONTROL: addresses.join(",") }, input: roomClass });
}

async function output(...args: string[]): Promise<string> {
  const ended = await run(...args);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended.stdout;
}

async function json(...args: string[]) {
  return JSON.parse(await output(...args, "-o", "json"));
}

const roomClass = JSON.stringify({
  ...{ name: "far", mode: "durable", historyCountMax: 100_000, placementGroup: "groups/1" },
});

/** Every message that a room's history has, by the control plane. */
async function history(room: string) {
  const { grpc = "" } = servers.find(({ isRunning }) => isRunning) ?? {};
  const client = new MessagingServiceClient(grpc, credentials.createInsecure());
  const parent = "tenants/default";
  const places: string[] = [];
  let pageToken = "";
  do {
    const request = { ...ListHistoryRequest.decode(new Uint8Array()), parent, room, pageToken };
    const page = await call(client, client.listHistory, { ...request, pageSize: 500 });
    places.unshift(...page.messages.map(({ position }) => position));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  client.close();
  return places.map((text) => parsePlace(text));
}

/** Everything acknowledged by now is in the room's history, which is in order. */
async function expectHistory(room: string): Promise<void> {
  const acked = stage.acked(room);
  const found = await history(room);
  const nameOf = (place: Publish["place"]) => `${place?.epoch}:${place?.seq}`;
  const names = new Set(found.map(nameOf));
  expect(names.size).toBe(found.length);
  expect(acked.filter(({ place }) => !names.has(nameOf(place)))).toEqual([]);
  const sorted = found.toSorted((a, b) => (a && b ? comparePlaces(a, b) : 0));
  expect(found).toEqual(sorted);
}

/** The row's slot is open in `epoch` in that shard, and publishes are acknowledged there. */
async function expectMoved(row: Row, epoch: number, shard: number): Promise<void> {
  await stage.records.read(row.slot);
  expect(stage.records.last(row.slot)).toMatchObject({ epoch, shard });
  await stage.untilAcked(row);
  await until("acks of the epoch", () => stage.ackedEpochs(row).includes(epoch));
}

test("a shard is created, slots are pinned, moved and rebalanced there, and it is resized", async () => {
  const row = stage.row(0);
  const { shard } = await json("shards", "create", "--size", "64MiB");
  expect(shard).toBe(firstCount);
  await output("slots", "pin", String(row.slot), "--to", String(shard));
  const plan = await output("rebalance", "0", "--dry-run");
  const count = Number(/(\d+) moves/.exec(plan)?.[1]);
  expect(count).toBeGreaterThan(1024 / (firstCount + 1) / 2);
  expect(count).toBeLessThanOrEqual((1.2 * 1024) / (firstCount + 1));
  expect(await output("rebalance", "0", "--wait")).toContain("succeeded");
  await expectMoved(row, 2, shard);
  expect(await stage.slotCount(shard)).toBeGreaterThanOrEqual(count * 0.9);
  const other = stage.row(1);
  const moved = await output("slots", "move", String(other.slot), "--to", "3", "--wait");
  expect(moved).toContain("succeeded");
  await expectMoved(other, (await json("slots", String(other.slot))).epoch, 3);
  for (const { room } of [row, other]) await expectHistory(room);
  await output("shards", "update", String(shard), "--size", "128MiB");
  expect(await stage.bytesMax(shard)).toBe(128 * 1024 ** 2);
}, 300_000);

test("the leader is killed -9 inside a rebalance: the next one goes on, and shows how far", async () => {
  const { shard } = await json("shards", "create");
  const { id } = await json("rebalance", "0");
  const progress = async () => {
    const { state, doneCount, stepCount } = await json("operations", "get", id);
    return { state, doneCount, stepCount };
  };
  await until("the first moves", async () => (await progress()).doneCount >= 3, REBALANCE_MS_MAX);
  const leader = await stage.leader();
  const leading = servers.find(({ name }) => name === leader);
  // An operator watches by the control plane that is about to die.
  const order = [...servers].sort((a, b) => Number(b === leading) - Number(a === leading));
  const TIDEGATE_CONTROL = order.map(({ grpc }) => grpc).join(",");
  const watching = startCli(["operations", "watch", id], { TIDEGATE_CONTROL });
  onTestFinished(() => void watching.child.kill("SIGKILL"));
  await watching.until("slots are moved");
  await leading?.end("SIGKILL");
  const counts: number[] = [(await progress()).doneCount];
  const isOver = async () => {
    const { state, doneCount } = await progress();
    if (doneCount !== counts.at(-1)) counts.push(doneCount);
    return state !== "running";
  };
  await until("the next leader to end it", isOver, REBALANCE_MS_MAX);
  expect(await stage.leader()).not.toBe(leader);
  expect(await progress()).toMatchObject({ state: "succeeded" });
  // What the one had done counts, and what the other does is seen while it goes on.
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  expect(counts[0]).toBeGreaterThanOrEqual(3);
  expect(counts.length).toBeGreaterThanOrEqual(3);
  const { code, stdout } = await watching.ended;
  expect([code, stdout.trimEnd().split("\n").at(-1)]).toEqual([
    0,
    expect.stringContaining("succeeded: all is even"),
  ]);
  expect(await stage.slotCount(shard)).toBeGreaterThan(1024 / (firstCount + 2) / 2);
  await leading?.start();
}, 300_000);

test("a shard is drained until it is retired: its history is read, and kept from deletion", async () => {
  const row = stage.row(2);
  await stage.untilAcked(row);
  await stage.records.read(row.slot);
  const from = stage.records.last(row.slot)?.shard ?? row.from;
  expect(await output("shards", "drain", String(from), "--wait")).toMatch(/shard is retired\n$/);
  expect(await json("shards", String(from))).toMatchObject({ state: "retired", slotCount: 0 });
  await until("acks after it", () => stage.ackedEpochs(row).length > 1);
  await expectHistory(row.room);
  expect((await run("shards", "delete", String(from))).stderr).toContain("[HISTORY_KEPT]");
}, 300_000);

test("a group is created; a class in it is published to while its slots move and a shard drains", async () => {
  await output("groups", "create", "1", "--shards", "2", "--size", "64MiB");
  const { shards } = await json("groups", "get", "1");
  expect(shards).toHaveLength(2);
  expect(await output("class", "apply", "-f", "-")).toContain("far");
  const rooms = [0, 1, 2].map((i) => `far:room${i}`);
  await stage.addTraffic("far", rooms);
  const slotOf = (room: string) => `1-${roomAddress("default", room).slot}`;
  const [moved = "", second = ""] = rooms;
  const owner = async (room: string) => (await json("slots", slotOf(room))).shard as number;
  const before = await owner(moved);
  const to = String(shards.find((each: number) => each !== before));
  expect(await output("slots", "move", slotOf(moved), "--to", to, "--wait")).toContain("succeeded");
  expect(await owner(moved)).toBe(Number(to));
  const { shard: third } = await json("shards", "create", "--group", "1", "--size", "64MiB");
  const drained = await owner(second);
  // A retired shard has no slots; the drain of half a group is 512 moves, one after the other.
  const { id } = await json("shards", "drain", String(drained));
  const slots = async () => (await json("shards", String(drained))).slotCount as number;
  await until("slots to leave", async () => (await slots()) <= 508, REBALANCE_MS_MAX);
  await output("operations", "abort", id);
  await run("operations", "watch", id);
  expect(await json("shards", String(drained))).toMatchObject({ state: "active" });
  expect((await json("shards", String(third))).slotCount).toBeGreaterThan(0);
  for (const room of rooms) await expectHistory(room);
  const refused = await run("groups", "delete", "1");
  expect(refused.stderr).toContain("[GROUP_IN_USE]");
  // One that nobody uses goes with its shards.
  await output("groups", "create", "2", "--shards", "2", "--size", "64MiB");
  const empty = await json("groups", "get", "2");
  await output("groups", "delete", "2");
  const left = (await json("shards")).map((each: { shard: number }) => each.shard);
  expect(left).not.toEqual(expect.arrayContaining([empty.shards[0]]));
  expect(left).not.toEqual(expect.arrayContaining([empty.shards[1]]));
}, 300_000);

test("whoever published and listened meanwhile: all once, in order, nothing unknown", async () => {
  const { counts, violations } = await stage.judge();
  console.info(JSON.stringify(counts));
  expect(violations.slice(0, 20)).toEqual([]);
  expect(counts).toMatchObject({ unknown: 0, failed: 0, missing: 0, doubled: 0, reordered: 0 });
  expect(counts.acked).toBeGreaterThan(5000);
}, 120_000);

test("a retired shard is deleted with its history on purpose; its rooms go on", async () => {
  const row = stage.row(2);
  const retired = (await json("shards")).find(
    (each: { state: string }) => each.state === "retired",
  ).shard;
  const isDeleted = async () => {
    const ended = await run("shards", "delete", String(retired), "--discard-history");
    if (ended.code !== 0) expect(ended.stderr).toContain("[SHARD_IN_USE]");
    return ended.code === 0;
  };
  await until("the shard to be deleted", isDeleted, DELETE_MS_MAX);
  expect(await run("shards", String(retired))).toMatchObject({ code: 5 });
  const found = await history(row.room);
  expect(found.length).toBeGreaterThan(0);
  expect(Math.min(...found.map((place) => place?.epoch ?? 0))).toBeGreaterThan(1);
}, 120_000);
