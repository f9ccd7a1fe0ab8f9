/** `tidegatectl rooms, disconnect, fleet` against a real control plane and gateway. */
import { beforeAll, expect, test } from "vitest";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { type OpenTestGateway, openTestGateway } from "../gateway/start-gateway.ts";
import { runCli } from "./run-cli.ts";

let gateway: OpenTestGateway;
let address = "";

beforeAll(async () => {
  gateway = await openTestGateway({ parts: { gatewayId: "tidegate" } });
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const plane = await startControlPlane(gateway.bus, log, { port: 0 });
  address = plane.address;
  return async () => {
    await plane.close();
    await gateway.close();
  };
});

function run(...args: string[]) {
  return runCli(args, { env: { TIDEGATE_CONTROL: address } });
}

test("rooms: listed with their members, as a table and as JSON", async () => {
  const clients = [await gateway.client(), await gateway.client()];
  for (const client of clients) await client.join("chat:listed");
  const table = await run("rooms", "list", "--class", "chat");
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toMatch(/^ROOM +MEMBERS +GATEWAYS +MESSAGES\/S\nchat:listed +2 +1 +0\n$/);
  const members = await run("rooms", "members", "chat:listed", "-o", "json");
  const ids = clients.map(({ welcome }) => welcome?.connectionId);
  const found = JSON.parse(members.stdout);
  expect(found.items.map(({ connection }: { connection: string }) => connection)).toEqual(ids);
  expect(found).toMatchObject({ hasMore: false, silentGateways: [] });
  const first = await run("rooms", "members", "chat:listed", "--limit", "1");
  expect(first.stdout).toContain("There are more: raise --limit.");
  for (const client of clients) await client.close();
});

test("disconnect: looks with --dry-run, closes, and says when there is none", async () => {
  const client = await gateway.client();
  const id = client.welcome?.connectionId ?? "";
  expect((await run("disconnect", id, "--dry-run")).stdout).toBe(`${id} would be closed\n`);
  await client.settle();
  expect((await run("disconnect", id, "--reason", "enough")).stdout).toBe(`${id} closed\n`);
  expect((await client.closed).code).toBe(4505);
  expect(await run("disconnect", id)).toMatchObject({ code: 5, stdout: "" });
  const none = await run("disconnect", "--user", "mallory");
  expect(none.stdout).toBe("0 connections of mallory closed\n");
  expect(await run("disconnect")).toMatchObject({ code: 2, stdout: "" });
  expect(await run("disconnect", id, "--user", "x")).toMatchObject({ code: 2 });
});

test("fleet: what to do, and how full each part is", async () => {
  const table = await run("fleet");
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toMatch(/^gateways +1 +\d+ +\d+% +\w+$/m);
  expect(table.stdout).toMatch(/^groups\/0\/shards\/0 +0% +bytes 0%$/m);
  const json = JSON.parse((await run("fleet", "-o", "json")).stdout);
  expect(json).toMatchObject({ trigger: 0.8, gateways: { count: 1 }, shards: { count: 1 } });
  expect(json.reasons.length).toBeGreaterThan(0);
});
