/**
 * A changed room class reaches open rooms: what members may do, how far back they read, what
 * happens to slow ones; a deleted class ends memberships, and a record that is no class changes
 * nothing.
 */
import { describe, expect, test } from "vitest";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { GapReason } from "../../proto/gen/tidegate/client/v1/message.ts";
import {
  PublishPermission,
  RoomClass,
  RoomMode,
  SlowMemberPolicy,
} from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass, roomClassKey } from "../../proto/room-class.ts";
import type { RawClient } from "./raw-client.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

const durable = defaultRoomClass("tenants/default/roomClasses/team", RoomMode.DURABLE);
const ephemeral = defaultRoomClass("tenants/default/roomClasses/team", RoomMode.EPHEMERAL);

/** The newest policy that the client was told, after everything sent so far was handled. */
async function nextPolicy(client: RawClient, seen: number) {
  const isChange = (frame: { $case: string }) => frame.$case === "roomPolicyChanged";
  while (client.frames.filter(isChange).length <= seen) {
    await client.nextCount(client.frames.length + 1, () => true);
  }
  const changes = client.frames.flatMap((f) => (f.$case === "roomPolicyChanged" ? [f.value] : []));
  return changes[seen]?.policy;
}

async function publishOne(client: RawClient, room: string, seq: number): Promise<string> {
  const id = client.publish({ room, seq, payload: `m${seq}` });
  await client.settle();
  const error = client.frames.find((f) => f.$case === "error" && f.value.requestId === id);
  if (error?.$case === "error") return error.value.code;
  await client.ack(id);
  return "stored";
}

/** Writes raw bytes as a class's record. */
async function putBytes(gateway: TestGateway, roomClass: string, value: Uint8Array): Promise<void> {
  const bucket = await gateway.bus.keyValue(CONTROL_BUCKET);
  const key = roomClassKey("default", roomClass);
  const present = await bucket.get(key);
  if (present === null) await bucket.create(key, value);
  else await bucket.update(key, value, present.revision);
}

describe("publish permission", () => {
  test("members only, backend only, and back: members are told, and publishes follow", async () => {
    const gateway = await testGateway();
    await gateway.putClass("team", durable);
    const [member, guest] = [await gateway.client(), await gateway.client()];
    const { roomAlias: alias, policy } = await member.join("team:a");
    expect(policy?.mayPublish).toBe(true);
    expect(await publishOne(guest, "team:a", 1)).toBe("stored");

    await gateway.putClass("team", { ...durable, publishPermission: PublishPermission.MEMBERS });
    expect((await nextPolicy(member, 0))?.mayPublish).toBe(true);
    expect(await publishOne(member, "team:a", 1)).toBe("stored");
    expect(await publishOne(guest, "team:a", 2)).toBe("PERMISSION_DENIED");

    await gateway.putClass("team", { ...durable, publishPermission: PublishPermission.BACKEND });
    expect((await nextPolicy(member, 1))?.mayPublish).toBe(false);
    expect(await publishOne(member, "team:a", 2)).toBe("PERMISSION_DENIED");
    const byAlias = member.publish({ alias, seq: 2, payload: "x" });
    expect((await member.error(byAlias)).code).toBe("PERMISSION_DENIED");

    await gateway.putClass("team", durable);
    expect((await nextPolicy(member, 2))?.mayPublish).toBe(true);
    await member.ack(member.publish({ alias, seq: 2, payload: "by alias" }));
    expect(await publishOne(guest, "team:a", 2)).toBe("stored");
    expect(gateway.logged).toEqual([]);
  });

  test("a class of another tenant of the same name changes nothing here", async () => {
    const gateway = await testGateway();
    await gateway.putClass("team", durable);
    const member = await gateway.client();
    await member.join("team:a");
    const bucket = await gateway.bus.keyValue(CONTROL_BUCKET);
    const foreign = { ...durable, publishPermission: PublishPermission.BACKEND };
    await bucket.create(roomClassKey("other", "team"), RoomClass.encode(foreign).finish());
    await gateway.putClass("mark", durable); // watched in order: seen after the foreign one
    await member.join("mark:a");
    expect(await publishOne(member, "team:a", 1)).toBe("stored");
    expect(member.frames.some((frame) => frame.$case === "roomPolicyChanged")).toBe(false);
  });
});

describe("history", () => {
  test("a shorter history bounds pages and resumes of open rooms at once", async () => {
    const gateway = await testGateway();
    await gateway.putClass("team", durable);
    const member = await gateway.client();
    await member.join("team:a");
    const ids = Array.from({ length: 30 }, (_, i) =>
      member.publish({ room: "team:a", seq: i + 1, payload: `m${i + 1}` }),
    );
    const acks = await Promise.all(ids.map((id) => member.ack(id)));
    await gateway.putClass("team", { ...durable, historyCountMax: 5 });
    expect((await nextPolicy(member, 0))?.historyCountMax).toBe(5);
    const requestId = member.nextId();
    const target = { $case: "room" as const, value: "team:a" };
    member.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 50 } });
    const page = await member.next("historyPage", (each) => each.requestId === requestId);
    expect([page.messages.length, page.hasMore]).toEqual([5, false]);
    const late = await gateway.client();
    const far = await late.join("team:a", { after: acks[9]?.position, history: 500 });
    expect([far.recovered, far.loss]).toEqual([false, GapReason.RETENTION]);
    expect(await late.texts(far.roomAlias, 5)).toEqual(["m26", "m27", "m28", "m29", "m30"]);
    const near = await gateway.client();
    const joined = await near.join("team:a", { after: acks[24]?.position });
    expect(joined.recovered).toBe(true);
    expect(await near.texts(joined.roomAlias, 5)).toEqual(["m26", "m27", "m28", "m29", "m30"]);
    expect(gateway.logged).toEqual([]);
  });
});

describe("slow members", () => {
  test("a policy changed to DISCONNECT holds for members that were there before", async () => {
    const gateway = await testGateway();
    await gateway.putClass("team", ephemeral);
    const [slow, sender] = [await gateway.client(), await gateway.client()];
    await slow.join("team:a");
    await gateway.putClass("team", { ...ephemeral, slowMemberPolicy: SlowMemberPolicy.DISCONNECT });
    await nextPolicy(slow, 0);
    slow.socket.pause();
    const payload = "x".repeat(30_000);
    for (let sent = 0; gateway.gateway.stats().laggedCount === 0; sent += 1) {
      await sender.ack(sender.publish({ room: "team:a", payload }));
      if (sent > 5000) throw new Error("the stalled socket never dropped out");
    }
    slow.socket.resume();
    expect((await slow.closed).code).toBe(4002);
  });
});

describe("classes come and go", () => {
  test("a deleted class: Left with ROOM_CLASS_UNKNOWN, nothing more is taken, and no room is left", async () => {
    const gateway = await testGateway();
    await gateway.putClass("team", durable);
    const [member, guest] = [await gateway.client(), await gateway.client()];
    const first = await member.join("team:a");
    const second = await member.join("team:b");
    const other = await member.join("chat:other");
    await gateway.putClass("team", { ...durable, deleted: true });
    for (const { roomAlias } of [first, second]) {
      const left = await member.next("left", (each) => each.roomAlias === roomAlias);
      expect([left.requestId, left.code]).toEqual([0, "ROOM_CLASS_UNKNOWN"]);
    }
    expect(await publishOne(guest, "team:a", 1)).toBe("ROOM_CLASS_UNKNOWN");
    const byAlias = member.publish({ alias: first.roomAlias, seq: 1, payload: "x" });
    expect((await member.error(byAlias)).code).toBe("NOT_JOINED");
    const again = member.sendJoin([{ room: "team:a", after: undefined, history: 0 }]);
    expect((await member.error(again)).code).toBe("ROOM_CLASS_UNKNOWN");
    await guest.ack(guest.publish({ room: "chat:other", seq: 1, payload: "goes on" }));
    expect(await member.texts(other.roomAlias, 1)).toEqual(["goes on"]);
    expect(gateway.gateway.stats().memberCount).toBe(1);
    await gateway.putClass("team", durable);
    await member.join("team:a"); // and it comes back with the class
    expect(gateway.logged).toEqual([]);
  });

  test("a class that is made while the gateway runs can be used at once", async () => {
    const gateway = await testGateway();
    const client = await gateway.client();
    const refused = client.sendJoin([{ room: "fresh:a", after: undefined, history: 0 }]);
    expect((await client.error(refused)).code).toBe("ROOM_CLASS_UNKNOWN");
    await gateway.putClass("fresh", defaultRoomClass("", RoomMode.EPHEMERAL));
    const joined = await client.join("fresh:a");
    expect(joined.policy?.durable).toBe(false);
  });

  const huge = { ...durable, historyCountMax: 100_001 };
  test.each([
    ["bytes that do not decode", Buffer.from([0xff, 0xff, 0xff])],
    ["no bytes at all", Buffer.alloc(0)],
    ["text", Buffer.from("mode: durable")],
    ["a history of 0", RoomClass.encode({ ...durable, historyCountMax: 0 }).finish()],
    ["a history beyond the bound", RoomClass.encode(huge).finish()],
    ["an age of 0", RoomClass.encode({ ...durable, historyAgeMaxS: 0 }).finish()],
    ["no publish permission", RoomClass.encode({ ...durable, publishPermission: 0 }).finish()],
    ["a later publish permission", Buffer.from([...RoomClass.encode(durable).finish(), 0x28, 9])],
    ["a later slow-member policy", Buffer.from([...RoomClass.encode(durable).finish(), 0x30, 9])],
    ["another mode", RoomClass.encode(ephemeral).finish()],
  ])("a record of %s keeps the last good one, and is logged", async (_name, bytes) => {
    const gateway = await testGateway();
    await gateway.putClass("team", { ...durable, historyCountMax: 77 });
    const member = await gateway.client();
    await member.join("team:a");
    await putBytes(gateway, "team", bytes);
    await putBytes(gateway, "new", bytes);
    await gateway.putClass("mark", durable);
    await member.join("mark:a");
    expect(gateway.logged.length).toBeGreaterThanOrEqual(1);
    expect(member.frames.some((frame) => frame.$case === "roomPolicyChanged")).toBe(false);
    expect(await publishOne(member, "team:a", 1)).toBe("stored");
    const again = await (await gateway.client()).join("team:a", { history: 5 });
    expect(again.policy).toMatchObject({ durable: true, historyCountMax: 77, mayPublish: true });
  });
});
