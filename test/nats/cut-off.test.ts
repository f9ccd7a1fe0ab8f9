/**
 * A gateway cut off from NATS: its members are told at once and when it is over; what the others
 * said meanwhile comes in durable rooms, and is a Gap in ephemeral ones.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import { NatsProxy } from "../bus/nats-proxy.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { collectLeftovers } from "../leftovers.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 60_000);

afterAll(() => nats?.stop());

const atEnd = collectLeftovers();
async function startOne(url: string): Promise<Server> {
  const server = await startServer({ env: { NATS_URL: url } });
  atEnd(() => server.close());
  return server;
}

async function openClient({ port }: Server): Promise<RawClient> {
  const client = await RawClient.open(port);
  atEnd(() => client.socket.terminate());
  return client;
}

async function readiness({ http }: Server): Promise<number> {
  return (await fetch(`${http}/readyz`)).status;
}

/** Frames that say how a room's gateway is, and Gaps, in order: "degraded", "fine", "gap". */
function saysOf(client: RawClient, alias: number): string[] {
  return client.frames.flatMap((frame) => {
    if (frame.$case === "gap" && frame.value.roomAlias === alias) return ["gap"];
    if (frame.$case !== "roomPolicyChanged" || frame.value.roomAlias !== alias) return [];
    return [frame.value.policy?.degraded ? "degraded" : "fine"];
  });
}

test.concurrent("cut off: members are told, a joiner too, and again when it is over", async () => {
  const proxy = await NatsProxy.start(nats.urls[0] ?? "");
  atEnd(() => proxy.stop());
  const cutOff = await startOne(proxy.url);
  const member = await openClient(cutOff);
  const [live, chat] = [await member.join("live:cut"), await member.join("chat:cut")];
  expect(live.policy?.degraded).toBe(false);
  expect(await readiness(cutOff)).toBe(200);

  proxy.freeze();
  const isOf = (alias: number, degraded: boolean) => (changed: object) => {
    const { roomAlias, policy } = changed as { roomAlias: number; policy?: { degraded: boolean } };
    return roomAlias === alias && policy?.degraded === degraded;
  };
  await member.next("roomPolicyChanged", isOf(live.roomAlias, true));
  await member.next("roomPolicyChanged", isOf(chat.roomAlias, true));
  expect(await readiness(cutOff)).toBe(503);
  const requestId = member.publish({ alias: live.roomAlias, payload: "nobody hears it" });
  const refusal = await member.next("error", (error) => error.requestId === requestId);
  expect(refusal).toMatchObject({ code: "UNAVAILABLE" });

  const elsewhere = await startOne(nats.urls[0] ?? "");
  const other = await openClient(elsewhere);
  other.publish({ requestId: 0, room: "live:cut", payload: "missed" });
  await other.ack(other.publish({ room: "chat:cut", seq: 1, payload: "stored" }));
  expect(saysOf(member, live.roomAlias)).toEqual(["degraded"]);

  proxy.cut();
  proxy.thaw();
  await member.next("roomPolicyChanged", isOf(live.roomAlias, false));
  await member.next("roomPolicyChanged", isOf(chat.roomAlias, false));
  expect(saysOf(member, live.roomAlias)).toEqual(["degraded", "gap", "fine"]);
  const gap = await member.next("gap");
  expect(gap).toMatchObject({ reason: GapReason.BUS, missedCount: 0n });
  expect(await member.texts(chat.roomAlias, 1)).toEqual(["stored"]);
  expect(saysOf(member, chat.roomAlias)).toEqual(["degraded", "fine"]);
  while ((await readiness(cutOff)) !== 200); // once its lease is renewed
}, 60_000);

test.concurrent("cut off: who joins meanwhile is told by Joined", async () => {
  const proxy = await NatsProxy.start(nats.urls[0] ?? "");
  atEnd(() => proxy.stop());
  const cutOff = await startOne(proxy.url);
  const member = await openClient(cutOff);
  await member.join("live:before");
  proxy.freeze();
  await member.next("roomPolicyChanged");
  const joined = await member.join("live:during");
  expect(joined.policy?.degraded).toBe(true);
}, 60_000);
