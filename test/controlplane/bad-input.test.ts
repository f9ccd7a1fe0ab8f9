/**
 * Bad input to every call that is served, found by reflection and built by the descriptors, so that
 * a new call is in it by itself: without credentials and role, undecodable, too large, with names
 * that are none, names of nothing, stale etags, foreign page tokens. Each gets its code and its
 * fields, and changes nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type DescField, fromBinary, type JsonObject, toJson } from "@bufbuild/protobuf";
import { Client, credentials, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Role } from "../../controlplane/access/caller.ts";
import { methodRule } from "../../controlplane/access/method-roles.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { Issuer } from "./access/issue.ts";
import {
  encodeRequest,
  listCalls,
  makeCall,
  type Served,
  type ServedCall,
} from "./served-calls.ts";
import { openControlPlane, refusal, type TestControlPlane } from "./start-control-plane.ts";

/** Of each service whose calls name one resource: one that is not there, and one that is. */
const resources: Readonly<Record<string, { readonly missing: string; readonly there: string }>> = {
  FlagService: { missing: "flagSets/none", there: "" },
  GatewayService: { missing: "gateways/nobody", there: "" },
  LimitService: { missing: "tenants/a/limits/none", there: "tenants/a/limits/connections" },
  LogService: { missing: "gateways/nobody", there: "" },
  OperationService: { missing: "operations/none", there: "OPERATION" },
  PlacementGroupService: { missing: "groups/9", there: "groups/0" },
  RoomClassService: { missing: "tenants/a/roomClasses/none", there: "tenants/a/roomClasses/game" },
  RevocationService: { missing: "tenants/a/revocations/none", there: "" },
  ShardService: { missing: "groups/0/shards/9", there: "groups/0/shards/1" },
  SlotService: { missing: "groups/9/slots/5", there: "groups/0/slots/5" },
  TraceService: { missing: `traces/${"1".repeat(32)}`, there: "" },
  VersionGateService: { missing: "gates/none", there: "" },
};

/** What a change needs beside the name of its resource to be one. */
const changes: Readonly<Record<string, JsonObject>> = {
  UpdateLimit: { value: "5" },
  UpdatePlacementGroup: { regions: [""] },
  UpdateRoomClass: { historyCountMax: 5 },
  UpdateShard: { capacity: 5 },
};
const beside: Readonly<Record<string, JsonObject>> = {
  MoveSlot: { shard: "groups/0/shards/1" },
  PinSlot: { shard: "groups/0/shards/1" },
};

let plane: TestControlPlane & { close(): Promise<void> };
let client: Client;
let { calls, enumFields }: Served = { calls: [], enumFields: new Set() };
let operation = "";
const tokens = new Map<Role, string>();
const folder = mkdtempSync(path.join(tmpdir(), "tidegate-bad-"));

beforeAll(async () => {
  const issuer = new Issuer();
  const file = issuer.write(path.join(folder, "key.pem"));
  for (const role of ["viewer", "operator", "admin", "gateway"] as const) {
    tokens.set(role, await issuer.token({ sub: role, tidegate_role: role }));
  }
  plane = await openControlPlane({ authJwtKeyFile: file });
  client = new Client(plane.plane.address, credentials.createInsecure());
  ({ calls, enumFields } = await listCalls(plane.plane.address));
  await mustAnswer("CreateShard", { parent: "groups/0" });
  await mustAnswer("CreateRoomClass", {
    ...{ parent: "tenants/a", roomClassId: "game" },
    roomClass: { mode: "ROOM_MODE_DURABLE" },
  });
  const move = { name: "groups/0/slots/9", shard: "groups/0/shards/1" };
  operation = operationIn(await mustAnswer("MoveSlot", move));
  await mustAnswer("WatchOperation", { name: operation }); // to its end
}, 60_000);

afterAll(async () => {
  client?.close();
  await plane?.close();
  rmSync(folder, { recursive: true, force: true });
});

function ask(call: ServedCall, request: Buffer, token: string | undefined): Promise<Buffer> {
  return makeCall(client, call, request, token);
}

function find(method: string): ServedCall {
  const found = calls.find((each) => each.method.name === method);
  if (found === undefined) throw new Error(`${method} is not served`);
  return found;
}

function mustAnswer(method: string, request: JsonObject): Promise<Buffer> {
  const call = find(method);
  return ask(call, encodeRequest(call, request), tokens.get("admin"));
}

/** What an admin is told. */
function told(call: ServedCall, request: JsonObject | Buffer) {
  const bytes = Buffer.isBuffer(request) ? request : encodeRequest(call, request);
  return refusal(ask(call, bytes, tokens.get("admin")));
}

/** Every record but those of the audit log. */
async function records(): Promise<string[]> {
  const keys = await plane.bus.keyValue(CONTROL_BUCKET);
  const all = await keys.list("");
  return all
    .filter(({ key }) => !key.startsWith("audit."))
    .map(({ key, revision }) => `${key} ${revision}`);
}

/** The request's field that carries the resource itself, as an update does. */
function resourceField({ method }: ServedCall): DescField | undefined {
  return method.input.fields.find((field) => {
    if (field.fieldKind !== "message" || /^(Create|Test)/.test(method.name)) return false;
    return field.message.fields.some((inner) => inner.name === "name");
  });
}

/** A request that names the resource, and where the name is. */
function naming(call: ServedCall, name: string): { request: JsonObject; field: string } | null {
  const fields = call.method.input.fields.map((field) => field.name);
  const more = beside[call.method.name] ?? {};
  if (fields.includes("name")) return { request: { name, ...more }, field: "name" };
  const inside = resourceField(call);
  if (inside === undefined) return null;
  const resource = { name, ...changes[call.method.name] };
  return { request: { [inside.jsonName]: resource }, field: `${inside.name}.name` };
}

const nameOf = ({ service, method }: ServedCall) => `${service.name}/${method.name}`;

/** Runs `judge` for each call, and wants the same of all and no record changed. */
async function each(
  judge: (call: ServedCall) => Promise<unknown | null>,
  expected: (call: ServedCall) => unknown,
): Promise<number> {
  const before = await records();
  let count = 0;
  for (const call of calls) {
    const found = await judge(call);
    if (found === null) continue;
    count += 1;
    expect({ [nameOf(call)]: found }).toMatchObject({ [nameOf(call)]: expected(call) });
  }
  expect(await records()).toEqual(before);
  return count;
}

describe("every call", () => {
  test("without credentials is UNAUTHENTICATED", async () => {
    const count = await each(
      (call) => refusal(ask(call, Buffer.alloc(0), undefined)),
      () => ({ grpc: status.UNAUTHENTICATED, code: "CREDENTIALS_INVALID" }),
    );
    expect(count).toBeGreaterThan(45);
  });

  test("without the role is PERMISSION_DENIED, whatever it asks", async () => {
    const below = { viewer: "gateway", operator: "viewer", admin: "operator", gateway: "operator" };
    await each(
      (call) => {
        const { role } = methodRule(`${call.service.typeName}/${call.method.name}`);
        return refusal(ask(call, Buffer.alloc(0), tokens.get(below[role] as Role)));
      },
      () => ({ grpc: status.PERMISSION_DENIED, code: "ROLE_REQUIRED" }),
    );
  });

  test("that does not decode is REQUEST_INVALID", async () => {
    await each(
      async (call) => {
        if (call.method.methodKind === "bidi_streaming") return null; // refused as no hello
        return told(call, Buffer.from([0xff, 0xff]));
      },
      () => ({ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" }),
    );
  });

  test("of more than 128 KiB is RESOURCE_EXHAUSTED", async () => {
    const field = [0xfa, 0x3e, 0x80, 0x80, 0x0a]; // number 1007, 160 KiB
    const huge = Buffer.concat([Buffer.from(field), Buffer.alloc(160 * 1024)]);
    await each(
      async (call) => ask(call, huge, tokens.get("admin")).catch(({ code }) => ({ grpc: code })),
      () => ({ grpc: status.RESOURCE_EXHAUSTED }),
    );
  });
});

describe("names", () => {
  test("that are none are REQUEST_INVALID, with the field", async () => {
    const bad = ["", "x", "groups/0/../1", "tenants/*/limits/>", "a".repeat(100_000), "\u0000/\n"];
    for (const name of bad) {
      const fields = new Map<ServedCall, string>();
      const count = await each(
        async (call) => {
          const wish = naming(call, name);
          if (wish === null) return null;
          fields.set(call, wish.field);
          return told(call, wish.request);
        },
        (call) => ({
          ...{ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" },
          fields: [fields.get(call)],
        }),
      );
      expect(count).toBeGreaterThan(20);
    }
  });

  test("parents that are none are REQUEST_INVALID, with the field", async () => {
    for (const parent of ["", "x", "tenants/", "tenants/A", "groups/16", "groups/0/shards/0"]) {
      const count = await each(
        async (call) => {
          const hasParent = call.method.input.fields.some(({ name }) => name === "parent");
          return hasParent ? told(call, { parent }) : null;
        },
        () => ({
          ...{ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" },
          fields: expect.arrayContaining(["parent"]),
        }),
      );
      expect(count).toBeGreaterThan(10);
    }
  });

  test("of nothing that is there are NOT_FOUND", async () => {
    await each(
      async (call) => {
        const { missing } = resources[call.service.name] ?? {};
        const wish = naming(call, missing ?? "");
        if (wish !== null && missing === undefined) {
          throw new Error(`${nameOf(call)}: say in \`resources\` what it names`);
        }
        if (wish !== null) return told(call, wish.request);
        const hasParent = call.method.input.fields.some(({ name }) => name === "parent");
        // Tenants exist without being created.
        const isOfGroups = ["ShardService", "SlotService"].includes(call.service.name);
        if (!hasParent || !isOfGroups || call.method.name === "GetRoomRoute") return null;
        return told(call, { parent: "groups/9" });
      },
      () => ({ grpc: status.NOT_FOUND, code: "NOT_FOUND" }),
    );
  });
});

test("a stale etag is ETAG_MISMATCH", async () => {
  const count = await each(
    async (call) => {
      const { there } = resources[call.service.name] ?? {};
      const name = there === "OPERATION" ? operation : there;
      const wish = name === undefined || name === "" ? null : naming(call, name);
      const inside = resourceField(call);
      const hasEtag = [...call.method.input.fields, ...(inside?.message?.fields ?? [])].some(
        (field) => field.name === "etag",
      );
      if (wish === null || !hasEtag || !methodRule(methodName(call)).changes) return null;
      if (inside === undefined) return told(call, { ...wish.request, etag: "99.9" });
      const resource = wish.request[inside.jsonName] as JsonObject;
      return told(call, { [inside.jsonName]: { ...resource, etag: "99.9" } });
    },
    () => ({ grpc: status.ABORTED, code: "ETAG_MISMATCH" }),
  );
  expect(count).toBeGreaterThanOrEqual(14);
});

test("a page token that is none is REQUEST_INVALID, with the field", async () => {
  const count = await each(
    async (call) => {
      const names = call.method.input.fields.map(({ name }) => name);
      if (!names.includes("page_token")) return null;
      const isOfGroups = ["ShardService", "SlotService"].includes(call.service.name);
      const parent = isOfGroups ? "groups/0" : "tenants/a";
      const request: JsonObject = { pageToken: "rubbish" };
      if (names.includes("parent")) request.parent = parent;
      if (names.includes("room")) request.room = "game:one";
      return told(call, request);
    },
    () => ({
      ...{ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" },
      fields: expect.arrayContaining(["page_token"]),
    }),
  );
  expect(count).toBeGreaterThanOrEqual(9);
});

test("a request id that is none is REQUEST_INVALID", async () => {
  const count = await each(
    async (call) => {
      const { there } = resources[call.service.name] ?? {};
      const name = there === "OPERATION" ? operation : there;
      const wish = name === undefined || name === "" ? null : naming(call, name);
      const names = call.method.input.fields.map((field) => field.name);
      if (wish === null || !names.includes("request_id")) return null;
      return told(call, { ...wish.request, requestId: "x".repeat(65) });
    },
    () => ({ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" }),
  );
  expect(count).toBeGreaterThan(15);
});

test("what is audited says enums as words", async () => {
  await mustAnswer("UpdateShard", { shard: { name: "groups/0/shards/1", capacity: 3 } });
  await mustAnswer("UpdateLimit", {
    limit: { name: "tenants/a/limits/connections", outagePolicy: "OUTAGE_POLICY_FAIL_OPEN" },
  });
  // Some 500 moves, ten a second.
  const name = operationIn(await mustAnswer("RebalancePlacementGroup", { name: "groups/0" }));
  await mustAnswer("PauseOperation", { name });
  const { method } = find("ListAuditEntries");
  const answer = toJson(
    method.output,
    fromBinary(method.output, await mustAnswer("ListAuditEntries", { pageSize: 500 })),
  ) as { auditEntries: { method: string; before?: string; after?: string }[] };
  const numbers: string[] = [];
  let wordCount = 0;
  for (const { method: called, before, after } of answer.auditEntries) {
    for (const text of [before, after].filter((each) => each !== undefined)) {
      JSON.parse(text, (key, value) => {
        if (!enumFields.has(key)) return value;
        if (typeof value === "number") numbers.push(`${called} ${key} ${value}`);
        else wordCount += 1;
        return value;
      });
    }
  }
  expect(numbers).toEqual([]);
  expect(wordCount).toBeGreaterThan(5);
});

/** The name of the operation in an answer. */
function operationIn(answer: Buffer): string {
  return /operations\/[0-9a-z-]+/.exec(answer.toString("latin1"))?.[0] ?? "";
}

function methodName({ service, method }: ServedCall): string {
  return `${service.typeName}/${method.name}`;
}
