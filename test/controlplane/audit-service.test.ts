/**
 * AuditService against a real control plane: entries of real changes and refusals, filters, pages.
 */
import { credentials, status } from "@grpc/grpc-js";
import { beforeAll, expect, test } from "vitest";
import { encodeEntry, entryId } from "../../controlplane/audit/audit-entry.ts";
import type { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";
import {
  AuditServiceClient,
  type ListAuditEntriesRequest,
} from "../../proto/gen/tidegate/control/v1/audit_service.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import {
  call,
  openControlPlane,
  refusal,
  roomClass,
  type TestControlPlane,
} from "./start-control-plane.ts";

let plane: TestControlPlane;
let audit: AuditServiceClient;
const dayMs = 24 * 3600 * 1000;

beforeAll(async () => {
  const opened = await openControlPlane();
  plane = opened;
  audit = new AuditServiceClient(opened.plane.address, credentials.createInsecure());
  return async () => {
    audit.close();
    await opened.close();
  };
});

function list(fields: Partial<ListAuditEntriesRequest>) {
  const blank = { pageSize: 0, pageToken: "", resource: "", principal: "", method: "" };
  const times = { startTime: undefined, endTime: undefined, refusedOnly: false };
  return call(audit, audit.listAuditEntries, { ...blank, ...times, ...fields });
}

function create(tenant: string, id: string, fields = { mode: RoomMode.DURABLE }) {
  const named = { parent: `tenants/${tenant}`, roomClassId: id, roomClass: roomClass(fields) };
  const request = { ...named, validateOnly: false, requestId: "" };
  return call(plane.classes, plane.classes.createRoomClass, request);
}

function remove(name: string, etag = "") {
  const request = { name, etag, validateOnly: false, requestId: "r-1" };
  return call(plane.classes, plane.classes.deleteRoomClass, request);
}

/** Writes entries of other times, as an earlier control plane would have. */
async function writeEntries(resource: string, timesMs: readonly number[]): Promise<void> {
  const keys = await plane.bus.keyValue("control");
  const caller = { principal: "old", role: "admin", gatewayId: null, peer: "p" } as const;
  for (const [i, timeMs] of timesMs.entries()) {
    const entry = { id: entryId(timeMs, i, "test"), timeMs };
    const { key, value } = encodeEntry({ method: "x/Old", resource }, caller, "p", {}, entry);
    await keys.create(key, value);
  }
}

test("ListAuditEntries: a creation, a deletion and a refusal, newest first", async () => {
  const name = "tenants/first/roomClasses/game";
  await create("first", "game");
  expect(await refusal(remove(name, "999"))).toMatchObject({ code: "ETAG_MISMATCH" });
  await remove(name);
  const { auditEntries } = await list({ resource: name });
  expect(auditEntries.map(({ method }) => method.split("/")[1])).toEqual([
    "DeleteRoomClass",
    "DeleteRoomClass",
    "CreateRoomClass",
  ]);
  const [deleted, refused, created] = auditEntries as [AuditEntry, AuditEntry, AuditEntry];
  const who = { principal: "anonymous", role: "admin", resource: name };
  expect(deleted).toMatchObject({ ...who, outcome: "OK", after: "", requestId: "r-1" });
  expect(JSON.parse(deleted.before)).toMatchObject({ mode: "DURABLE", historyCountMax: 1000 });
  expect(refused).toMatchObject({ ...who, outcome: "ETAG_MISMATCH", before: "", after: "" });
  expect(refused.detail).toContain('not "999"');
  expect(created).toMatchObject({ ...who, before: "" });
  expect(JSON.parse(created.after)).toMatchObject({ name, slowMemberPolicy: "RESYNC" });
  expect(created.peer).toMatch(/^127\.0\.0\.1:\d+$/);
});

test("ListAuditEntries: reads and refused reads of one who may read leave nothing", async () => {
  const name = "tenants/reader/roomClasses/none";
  const get = call(plane.classes, plane.classes.getRoomClass, { name });
  expect(await refusal(get)).toMatchObject({ grpc: status.NOT_FOUND });
  expect((await list({ resource: "tenants/reader" })).auditEntries).toEqual([]);
});

test("ListAuditEntries: filters by resource, principal, method, time and outcome", async () => {
  await create("filter", "one");
  await create("filter", "two");
  await create("filters", "one");
  await refusal(create("filter", "one"));
  const count = async (fields: Partial<ListAuditEntriesRequest>) =>
    (await list({ resource: "tenants/filter", ...fields })).auditEntries.length;
  // The refused creation named only the parent.
  expect(await count({})).toBe(3);
  expect(await count({ resource: "tenants/filter/roomClasses/one" })).toBe(1);
  expect(await count({ refusedOnly: true })).toBe(1);
  expect(await count({ method: "CreateRoomClass" })).toBe(3);
  const full = "tidegate.control.v1.RoomClassService/CreateRoomClass";
  expect(await count({ method: full, principal: "anonymous" })).toBe(3);
  expect(await count({ method: "reateRoomClass" })).toBe(0);
  expect(await count({ principal: "anna" })).toBe(0);
  const now = Date.now();
  expect(await count({ startTime: new Date(now - 60_000) })).toBe(3);
  expect(await count({ startTime: new Date(now + 60_000) })).toBe(0);
  expect(await count({ endTime: new Date(now - 60_000) })).toBe(0);
});

test("ListAuditEntries: pages over many days, newest first, each entry once", async () => {
  const now = Date.now();
  const agesDays = [0, 0, 0, 1, 1, 5, 9, 30, 30, 30, 61, 89];
  const times = agesDays.map((days, i) => now - days * dayMs - i);
  await writeEntries("days/a", times);
  const found: number[] = [];
  let pageToken = "";
  let pageCount = 0;
  do {
    const page = await list({ resource: "days", pageSize: 5, pageToken });
    found.push(...page.auditEntries.map(({ time }) => time?.getTime() ?? 0));
    pageToken = page.nextPageToken;
    pageCount += 1;
  } while (pageToken !== "");
  expect(found).toEqual(times);
  expect(pageCount).toBe(3);
  const middle = { startTime: new Date(now - 31 * dayMs), endTime: new Date(now - 4 * dayMs) };
  expect((await list({ resource: "days", ...middle })).auditEntries).toHaveLength(5);
});

test("ListAuditEntries: bad filters and tokens are refused by field", async () => {
  const long = "x".repeat(257);
  const bad = { resource: long, principal: long, method: long };
  expect(await refusal(list(bad))).toMatchObject({
    grpc: status.INVALID_ARGUMENT,
    fields: ["resource", "principal", "method"],
  });
  const turned = { startTime: new Date(2000), endTime: new Date(1000) };
  expect((await refusal(list(turned))).fields).toEqual(["end_time"]);
  expect((await refusal(list({ startTime: new Date(-1) }))).fields).toEqual(["start_time"]);
  expect((await refusal(list({ pageToken: "x" }))).fields).toEqual(["page_token"]);
  await create("token", "one");
  await create("token", "two");
  const { nextPageToken } = await list({ resource: "tenants/token", pageSize: 1 });
  expect(nextPageToken).not.toBe("");
  const other = list({ resource: "tenants/other", pageToken: nextPageToken });
  expect((await refusal(other)).fields).toEqual(["page_token"]);
});
