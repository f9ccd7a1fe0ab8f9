/**
 * A shard that is full is drained, by tidegatectl against a real control plane: its rooms take
 * publishes again, and what was stored before is read.
 */
import { credentials } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { roomAddress } from "../../bus/subjects.ts";
import { MessagingServiceClient } from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { parsePlace } from "../chaos/history.ts";
import { runCli } from "../cli/run-cli.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startServer } from "../start-server.ts";
import { startTestNats } from "./start-nats.ts";

/** So many that a shard has few slots to drain: ten begin to move in a second. */
const shardCount = 32;
const room = "chat:full";
const shard = roomAddress("default", room).slot % shardCount;
/** 18 MiB, two more than the least that a shard may hold, are some 300 of these. */
const payload = Buffer.alloc(60_000, "x");

test("DrainShard of a full shard: retired, its rooms publish again, and it is read", async () => {
  const nats = await startTestNats(1);
  onTestFinished(() => nats.stop());
  const limits = { SHARD_COUNT: String(shardCount), SHARD_BYTES_MAX: String(18 * 1024 ** 2) };
  const env = { NATS_URL: nats.urls.join(","), LOG_LEVEL: "warn", ...limits };
  const start = async (parts: string) => {
    const server = await startServer({ env: { ...env, PARTS: parts, GATEWAY_ID: parts } });
    onTestFinished(() => server.close());
    return server;
  };
  const [plane, gateway] = await Promise.all([start("controlplane"), start("gateway")]);
  const ctl = async (...args: string[]) => {
    const ended = await runCli(args, { env: { TIDEGATE_CONTROL: plane.grpc } });
    expect(ended).toMatchObject({ code: 0, stderr: "" });
    return ended.stdout;
  };
  const member = await RawClient.open(gateway.port);
  onTestFinished(() => member.socket.terminate());
  const { roomAlias } = await member.join(room);
  const publish = async (seq: number) => {
    const requestId = member.publish({ room, seq, payload });
    const answer = await member.answer(requestId);
    return "code" in answer ? answer.code : (answer.position?.epoch ?? 0);
  };
  let storedCount = 0;
  let last = await publish(1);
  for (; last === 1; last = await publish(storedCount + 1)) storedCount += 1;
  expect(last).toBe("STORE_FULL");
  expect(storedCount).toBeGreaterThan(200);

  const begun = JSON.parse(await ctl("shards", String(shard), "-o", "json"));
  expect(begun.slotCount).toBe(1024 / shardCount);
  const smaller = ["shards", "update", String(shard), "--size", "16MiB"];
  const refused = await runCli(smaller, { env: { TIDEGATE_CONTROL: plane.grpc } });
  expect(refused).toMatchObject({ stdout: "" });
  expect(refused.stderr).toMatch(
    /settings\.bytes_max.* is below the \d+ bytes .*CAPACITY_BELOW_USE/,
  );
  expect(JSON.parse(await ctl("shards", String(shard), "-o", "json")).settings).toEqual(
    begun.settings,
  );
  const drained = await ctl("shards", "drain", String(shard), "--wait");
  expect(drained).toMatch(new RegExp(`${begun.slotCount}/.* succeeded: the shard is retired\n$`));
  expect(JSON.parse(await ctl("shards", String(shard), "-o", "json"))).toMatchObject({
    ...{ state: "retired", slotCount: 0 },
  });

  // The same publish that was refused, by the same member on the same connection.
  expect(await publish(storedCount + 1)).toBe(2);
  expect(await member.texts(roomAlias, storedCount + 1)).toHaveLength(storedCount + 1);
  const client = new MessagingServiceClient(plane.grpc, credentials.createInsecure());
  onTestFinished(() => client.close());
  // A page of 3 MB, over the end of the drained shard's epoch.
  const wish = { parent: "tenants/default", room, pageSize: 500, pageToken: "" };
  const { messages } = await call(client, client.listHistory, wish);
  const epochs = messages.map(({ position }) => parsePlace(position)?.epoch);
  expect(epochs.length).toBeGreaterThan(20);
  expect(epochs).toEqual([...epochs.slice(1).map(() => 1), 2]);
}, 120_000);
