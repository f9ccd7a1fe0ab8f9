/**
 * Rooms, members and disconnects over real gRPC: of a real gateway, and of many that are made up.
 */

import { credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { startControlPlane } from "../../controlplane/control-plane.ts";
import { makeIdentity } from "../../gateway/identity.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { ERRORS } from "../../proto/gen/errors.ts";
import {
  MembersAnswer,
  MembersQuestion,
  RoomAnswer,
  RoomsAnswer,
  RoomsQuestion,
} from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import { AuditServiceClient } from "../../proto/gen/tidegate/control/v1/audit_service.ts";
import { MessagingServiceClient } from "../../proto/gen/tidegate/control/v1/messaging_service.ts";
import { RoomServiceClient } from "../../proto/gen/tidegate/control/v1/room_service.ts";
import { testGateway } from "../gateway/start-gateway.ts";
import { call, refusal, wrapMethods } from "./start-control-plane.ts";

const parent = "tenants/default";
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** Users by token, "token-of-<user>-0123". */
function authenticate(token: string) {
  const user = /^token-of-(\w+)-0123$/.exec(token)?.[1];
  if (user === undefined) throw new CodedError("TOKEN_INVALID", "unknown");
  return makeIdentity({ tenant: "default", user, grants: [{ rooms: "*", actions: 7 }] });
}

async function serve(bus: Bus) {
  const plane = await startControlPlane(bus, silentLog, { port: 0 });
  const insecure = credentials.createInsecure();
  const rooms = new RoomServiceClient(plane.address, insecure);
  const messaging = new MessagingServiceClient(plane.address, insecure);
  const audit = new AuditServiceClient(plane.address, insecure);
  onTestFinished(async () => {
    for (const client of [rooms, messaging, audit]) client.close();
    await plane.close();
  });
  return { rooms, messaging, audit };
}

/** A real gateway, whose id is that of its process, with three members in two rooms. */
async function gatewayWithMembers() {
  const gateway = await testGateway({ parts: { gatewayId: "tidegate", authenticate } });
  const join = async (user: string, ...names: string[]) => {
    const client = await gateway.client({ token: `token-of-${user}-0123` });
    for (const name of names) await client.join(name);
    return client;
  };
  const anna = await join("anna", "chat:lobby", "live:eu/1 x");
  const ben = await join("ben", "chat:lobby");
  const again = await join("anna", "chat:lobby");
  return { ...(await serve(gateway.bus)), anna, ben, again };
}

const listRequest = { parent, pageSize: 0, pageToken: "", roomClass: "" };
const membersRequest = { parent, room: "chat:lobby", pageSize: 0, pageToken: "" };

test("rooms with members, by name and class; one without members counts 0", async () => {
  const { rooms } = await gatewayWithMembers();
  const { rooms: all, silentGateways } = await call(rooms, rooms.listRooms, listRequest);
  expect(silentGateways).toEqual([]);
  expect(all).toEqual([
    { room: "chat:lobby", memberCount: 3, gatewayCount: 1, messageRate: 0 },
    { room: "live:eu/1 x", memberCount: 1, gatewayCount: 1, messageRate: 0 },
  ]);
  const live = await call(rooms, rooms.listRooms, { ...listRequest, roomClass: "live" });
  expect(live.rooms.map(({ room }) => room)).toEqual(["live:eu/1 x"]);
  const other = await call(rooms, rooms.listRooms, { ...listRequest, parent: "tenants/acme" });
  expect(other.rooms).toEqual([]);
  const empty = await call(rooms, rooms.getRoom, { parent, room: "chat:empty" });
  expect(empty.room).toMatchObject({ room: "chat:empty", memberCount: 0, gatewayCount: 0 });
});

test("members of a room, page by page", async () => {
  const { rooms, anna, ben, again } = await gatewayWithMembers();
  const ids = [anna, ben, again].map(({ welcome }) => welcome?.connectionId);
  const whole = await call(rooms, rooms.listMembers, membersRequest);
  expect(whole.members.map(({ connection }) => connection)).toEqual(ids);
  expect(whole.members.map(({ user }) => user)).toEqual(["anna", "ben", "anna"]);
  expect(whole.members[0]?.gateway).toBe("gateways/tidegate");
  const first = await call(rooms, rooms.listMembers, { ...membersRequest, pageSize: 2 });
  const next = { ...membersRequest, pageSize: 2, pageToken: first.nextPageToken };
  const second = await call(rooms, rooms.listMembers, next);
  const pages = [first, second].map(({ members }) => members.map(({ connection }) => connection));
  expect(pages).toEqual([ids.slice(0, 2), ids.slice(2)]);
  expect(second.nextPageToken).toBe("");
});

test("a disconnected connection is told the reason, does not come back, and is audited", async () => {
  const { messaging, audit, ben } = await gatewayWithMembers();
  const connection = ben.welcome?.connectionId ?? "";
  const request = { parent, connection, reason: "spam", requestId: "r1" };
  const look = { ...request, validateOnly: true };
  await call(messaging, messaging.disconnectConnection, look);
  await ben.settle();
  await call(messaging, messaging.disconnectConnection, { ...request, validateOnly: false });
  expect(await ben.closed).toEqual({ code: 4505, reason: "DISCONNECTED" });
  expect(ERRORS.DISCONNECTED).toMatchObject({ close: 4505, retry: "no" });
  expect(await ben.next("error")).toMatchObject({ code: "DISCONNECTED", message: "spam" });
  const again = call(messaging, messaging.disconnectConnection, {
    ...request,
    validateOnly: false,
  });
  expect(await refusal(again)).toMatchObject({ grpc: status.NOT_FOUND, code: "NOT_FOUND" });
  const { auditEntries } = await call(audit, audit.listAuditEntries, {
    ...{ pageSize: 0, pageToken: "", resource: "", principal: "", refusedOnly: false },
    ...{ method: "DisconnectConnection", startTime: undefined, endTime: undefined },
  });
  const done = auditEntries.find(({ outcome }) => outcome === "OK");
  expect(done).toMatchObject({ resource: parent, requestId: "r1" });
  expect(JSON.parse(done?.after ?? "")).toEqual({ connection, reason: "spam" });
});

test("all connections of a user are closed, nobody else's", async () => {
  const { messaging, anna, ben, again } = await gatewayWithMembers();
  const request = { parent, user: "anna", reason: "", requestId: "" };
  const looked = await call(messaging, messaging.disconnectUser, {
    ...request,
    validateOnly: true,
  });
  expect(looked).toEqual({ connectionCount: 2, silentGateways: [] });
  const done = await call(messaging, messaging.disconnectUser, { ...request, validateOnly: false });
  expect(done.connectionCount).toBe(2);
  expect([(await anna.closed).code, (await again.closed).code]).toEqual([4505, 4505]);
  await ben.settle();
  const none = await call(messaging, messaging.disconnectUser, { ...request, validateOnly: false });
  expect(none.connectionCount).toBe(0);
});

/** Many made-up gateways: g0, g1, … each with some rooms; those in `silent` do not answer. */
async function serveMany(count: number, roomsOf: (i: number) => string[], silent: string[] = []) {
  const { bus } = await testGateway();
  const [own] = await bus.topology.processes();
  if (own === undefined) throw new Error("no process");
  const width = String(count - 1).length;
  const ids = Array.from({ length: count }, (_, i) => `g${String(i).padStart(width, "0")}`);
  let atOnce = 0;
  let most = 0;
  const wrapped = wrapMethods(bus, {
    topology: wrapMethods(bus.topology, {
      processes: async () => ids.map((id) => ({ ...own, id, parts: "gateway" as const })),
    }),
    ask: async (id, kind, body) => {
      atOnce += 1;
      most = Math.max(most, atOnce);
      await Promise.resolve();
      atOnce -= 1;
      if (silent.includes(id)) throw new CodedError("UNAVAILABLE", "no answer");
      const at = ids.indexOf(id);
      if (kind === "room") return RoomAnswer.encode({ room: undefined }).finish();
      if (kind === "members") {
        const { after, limit } = MembersQuestion.decode(body);
        const numbers = [1n, 2n, 3n].filter((number) => number > after).slice(0, limit);
        const members = numbers.map((number) => ({
          number,
          connection: `${id}-${number}`,
          user: "",
        }));
        return MembersAnswer.encode({ members }).finish();
      }
      const { after, limit } = RoomsQuestion.decode(body);
      const names = roomsOf(at)
        .sort()
        .filter((name) => name > after)
        .slice(0, limit);
      const found = names.map((room) => ({ room, memberCount: at + 1, messageRate: at }));
      return RoomsAnswer.encode({ rooms: found }).finish();
    },
  });
  return { ...(await serve(wrapped)), mostAtOnce: () => most };
}

test("100 gateways: rooms are one list over all of them, each asked, few at once", async () => {
  const roomsOf = (i: number) => [`chat:${i % 30}`, `chat:own-${i}`, "chat:all"];
  const { rooms, mostAtOnce } = await serveMany(100, roomsOf);
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await call(rooms, rooms.listRooms, { ...listRequest, pageSize: 17, pageToken });
    expect(page.rooms.length).toBeLessThanOrEqual(17);
    found.push(...page.rooms.map(({ room }) => room));
    const everywhere = page.rooms.find(({ room }) => room === "chat:all");
    const sum = { memberCount: 5050, gatewayCount: 100, messageRate: 99 };
    if (everywhere !== undefined) expect(everywhere).toMatchObject(sum);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  const all = new Set(Array.from({ length: 100 }, (_, i) => roomsOf(i)).flat());
  expect(found).toEqual([...all].sort());
  expect(mostAtOnce()).toBeLessThanOrEqual(32);
});

test("members of 40 gateways are listed once each, whatever the pages", async () => {
  const { rooms } = await serveMany(40, () => []);
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await call(rooms, rooms.listMembers, {
      ...membersRequest,
      pageSize: 7,
      pageToken,
    });
    found.push(...page.members.map(({ connection }) => connection));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toHaveLength(120);
  expect(new Set(found).size).toBe(120);
});

test("gateways that do not answer are named, and the rest is told", async () => {
  const { rooms, messaging } = await serveMany(5, (i) => [`chat:${i}`], ["g1", "g4"]);
  const silentGateways = ["gateways/g1", "gateways/g4"];
  const list = await call(rooms, rooms.listRooms, listRequest);
  expect(list.silentGateways).toEqual(silentGateways);
  expect(list.rooms.map(({ room }) => room)).toEqual(["chat:0", "chat:2", "chat:3"]);
  const room = await call(rooms, rooms.getRoom, { parent, room: "chat:0" });
  expect(room.silentGateways).toEqual(silentGateways);
  const members = await call(rooms, rooms.listMembers, membersRequest);
  expect([members.silentGateways, members.members.length]).toEqual([silentGateways, 9]);
  const request = { parent, connection: "g1-1", reason: "", requestId: "", validateOnly: false };
  const cut = call(messaging, messaging.disconnectConnection, request);
  expect(await refusal(cut)).toMatchObject({ grpc: status.UNAVAILABLE });
});

test("bad input is INVALID_ARGUMENT with its field, and asks nobody", async () => {
  const { rooms, messaging } = await serveMany(1, () => []);
  const bad = async (failing: Promise<unknown>, fields: string[]) =>
    expect(await refusal(failing)).toMatchObject({ grpc: status.INVALID_ARGUMENT, fields });
  await bad(call(rooms, rooms.listRooms, { ...listRequest, parent: "acme" }), ["parent"]);
  await bad(call(rooms, rooms.listRooms, { ...listRequest, pageToken: "x" }), ["page_token"]);
  await bad(call(rooms, rooms.getRoom, { parent, room: "lobby" }), ["room"]);
  await bad(call(rooms, rooms.listMembers, { ...membersRequest, room: "" }), ["room"]);
  const words = { parent, reason: "", requestId: "", validateOnly: false };
  const one = { ...words, connection: "nodash" };
  await bad(call(messaging, messaging.disconnectConnection, one), ["connection"]);
  const user = { ...words, user: "", reason: "x".repeat(201), requestId: "y".repeat(65) };
  const fields = ["reason", "request_id", "user"];
  await bad(call(messaging, messaging.disconnectUser, user), fields);
});
