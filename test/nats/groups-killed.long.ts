/**
 * A control plane is killed -9 inside the creation and the deletion of a placement group, at its
 * commit and right behind it: afterwards all of it is done, or nothing, and nothing is left over.
 * Real processes on a real NATS; a proxy stops each of them at an exact message.
 */
import { credentials } from "@grpc/grpc-js";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { connect } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { AuditServiceClient } from "../../proto/gen/tidegate/control/v1/audit_service.ts";
import {
  MessagingServiceClient,
  PublishRequest,
} from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { PlacementGroup } from "../../proto/gen/tidegate/control/v1/placement_group.ts";
import { PlacementGroupServiceClient } from "../../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { Shard } from "../../proto/gen/tidegate/control/v1/shard.ts";
import { NatsProxy } from "../bus/nats-proxy.ts";
import { runCli } from "../cli/run-cli.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

/** What nobody finishes is removed 30 s after it was begun, within the next look of 5 s. */
const REMOVED = { timeout: 60_000, interval: 500 };
let nats: TestNats;
let plane: Server;

beforeAll(async () => {
  nats = await startTestNats(1);
  plane = await startPlane("cp", nats.urls);
}, 60_000);

afterAll(async () => {
  await plane?.close();
  await nats?.stop();
});

function startPlane(id: string, urls: readonly string[]): Promise<Server> {
  const shards = { SHARD_COUNT: "2", SHARD_BYTES_MAX: String(64 * 1024 ** 2) };
  const env = { PARTS: "controlplane", NATS_URL: urls.join(","), GATEWAY_ID: id, ...shards };
  return startServer({ env: { ...env, LOG_LEVEL: "warn" } });
}

/** tidegatectl at a control plane. */
async function output(server: Server, ...args: string[]): Promise<string> {
  const env = { TIDEGATE_CONTROL: server.grpc };
  const ended = await runCli(args, { env, input: roomClass });
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  return ended.stdout;
}

const roomClass = JSON.stringify({ name: "far", mode: "durable", placementGroup: "groups/2" });

async function groups(): Promise<{ group: number; shards: number[] }[]> {
  return JSON.parse(await output(plane, "groups", "list", "-o", "json"));
}

/** Numbers of the shards that operators see. */
async function shards(): Promise<number[]> {
  const all = JSON.parse(await output(plane, "shards", "-o", "json")) as { shard: number }[];
  return all.map(({ shard }) => shard);
}

/** Streams of shards, and records, that NATS holds, whatever operators see. */
async function stored() {
  const connection = await connect({ servers: nats.urls });
  const manager = await jetstreamManager(connection);
  const streams: string[] = [];
  for await (const { config } of manager.streams.list()) streams.push(config.name);
  const kv = await new Kvm(jetstream(connection)).open("control");
  const keys: string[] = [];
  for await (const key of await kv.keys("shard.*")) keys.push(key);
  await connection.close();
  const shardStreams = streams.filter((name) => /^TG_\d+$/.test(name));
  return { streams: shardStreams.sort(), records: keys.sort() };
}

const present = (numbers: readonly number[]) => ({
  streams: numbers.map((shard) => `TG_${shard}`).sort(),
  records: numbers.map((shard) => `shard.${shard}`).sort(),
});

/** Calls made with this id that were done, by the audit log. */
async function auditCount(requestId: string): Promise<number> {
  const client = new AuditServiceClient(plane.grpc, credentials.createInsecure());
  const wish = { pageSize: 500, pageToken: "", principal: "", resource: "", method: "" };
  const { auditEntries } = await call(client, client.listAuditEntries, {
    ...{ ...wish, startTime: undefined, endTime: undefined, refusedOnly: false },
  });
  client.close();
  return auditEntries.filter((entry) => entry.requestId === requestId).length;
}

/** A control plane that is killed when it has sent everything before a message. */
async function killAt(
  id: string,
  isIt: (subject: string) => boolean,
  act: (client: PlacementGroupServiceClient) => Promise<unknown>,
): Promise<void> {
  const proxy = await NatsProxy.start(nats.urls[0] ?? "");
  const doomed = await startPlane(id, [proxy.url]);
  const client = new PlacementGroupServiceClient(doomed.grpc, credentials.createInsecure());
  onTestFinished(async () => {
    client.close();
    await doomed.close();
    await proxy.stop();
  });
  const isHeld = new Promise<void>((resolve) => {
    proxy.holdPublished = (subject) => {
      if (isIt(subject)) resolve();
      return isIt(subject);
    };
  });
  const answer = act(client).then(
    () => "answered",
    ({ code }) => code,
  );
  await isHeld;
  await doomed.kill();
  expect(await answer).toBe(14); // UNAVAILABLE: whoever asked can not know
}

function create(group: number, requestId: string) {
  return async (client: PlacementGroupServiceClient) => {
    const shard = { ...Shard.decode(new Uint8Array(0)), region: "eu" };
    const placementGroup = { ...PlacementGroup.decode(new Uint8Array(0)), regions: ["eu"] };
    return call(client, client.createPlacementGroup, {
      ...{ placementGroupId: String(group), shards: [shard, shard], validateOnly: false },
      ...{ requestId, placementGroup },
    });
  };
}

function remove(group: number, requestId: string) {
  return (client: PlacementGroupServiceClient) =>
    call(client, client.deletePlacementGroup, {
      ...{ name: `groups/${group}`, etag: "", validateOnly: false, requestId },
    });
}

async function publish(room: string): Promise<void> {
  const client = new MessagingServiceClient(plane.grpc, credentials.createInsecure());
  const request = { ...PublishRequest.decode(new Uint8Array(0)), parent: "tenants/default", room };
  await call(client, client.publish, request).finally(() => client.close());
}

/** Asks the control plane that lives. */
async function ask(act: (client: PlacementGroupServiceClient) => Promise<unknown>) {
  const client = new PlacementGroupServiceClient(plane.grpc, credentials.createInsecure());
  await act(client).finally(() => client.close());
}

describe("a control plane is killed in a group's", () => {
  test("creation, at its commit: there is no group, and no shard of it is left", async () => {
    const before = await shards();
    await killAt("doomed-1", (subject) => subject === "$KV.control.group.1", create(1, "one"));
    expect((await groups()).map(({ group }) => group)).toEqual([0]);
    expect(await shards()).toEqual(before);
    expect((await stored()).streams.length).toBe(before.length + 2); // it had come so far
    await vi.waitFor(async () => expect(await stored()).toEqual(present(before)), REMOVED);
    expect(await auditCount("one")).toBe(0);
    await ask(create(1, "one"));
    expect((await groups()).map(({ group }) => group)).toEqual([0, 1]);
    expect(await auditCount("one")).toBe(1);
  }, 120_000);

  test("creation, behind its commit: the group is whole, and a repeat gets it", async () => {
    const isFollowed = (subject: string) => subject.startsWith("$JS.API.STREAM.UPDATE.");
    await killAt("doomed-2", isFollowed, create(2, "two"));
    const made = (await groups()).find(({ group }) => group === 2);
    expect(made?.shards).toHaveLength(2);
    expect(await shards()).toEqual(expect.arrayContaining(made?.shards ?? []));
    await ask(create(2, "two"));
    expect(await auditCount("two")).toBe(1);
    // Its lists are set by whoever reconciles: rooms live in it.
    await output(plane, "class", "apply", "-f", "-");
    await vi.waitFor(() => publish("far:one"), REMOVED);
  }, 120_000);

  test("deletion, at its commit: the group is whole; behind it, nothing of it is left", async () => {
    await ask(create(3, "three"));
    const moved = ["slots", "move", "3-0", "--to"];
    const [, second] = (await groups()).find(({ group }) => group === 3)?.shards ?? [];
    await output(plane, ...moved, String(second), "--wait");
    const before = await shards();
    await killAt("doomed-3", (subject) => subject === "$KV.control.group.3", remove(3, "gone"));
    expect((await groups()).map(({ group }) => group)).toContain(3);
    expect(await shards()).toEqual(before);
    expect(JSON.parse(await output(plane, "slots", "3-0", "-o", "json"))).toMatchObject({
      ...{ shard: second, epoch: 2 },
    });
    const isRemoved = (subject: string) => subject.startsWith("$JS.API.STREAM.DELETE.");
    await killAt("doomed-4", isRemoved, remove(3, "gone too"));
    expect((await groups()).map(({ group }) => group)).not.toContain(3);
    const left = await shards();
    expect(left).toHaveLength(before.length - 2);
    expect([await auditCount("gone"), await auditCount("gone too")]).toEqual([0, 1]);
    await vi.waitFor(async () => expect(await stored()).toEqual(present(left)), REMOVED);
    await ask(remove(3, "gone too")); // a repeat
    await ask(create(3, "three again"));
    expect(JSON.parse(await output(plane, "slots", "3-0", "-o", "json")).epoch).toBe(1);
  }, 180_000);
});
