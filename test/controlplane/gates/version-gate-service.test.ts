/**
 * VersionGateService over real gRPC, beside a real gateway on one embedded bus.
 */
import { credentials, status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../../controlplane/control-plane.ts";
import { authenticateNone } from "../../../gateway/auth/authenticate.ts";
import type { Identity } from "../../../gateway/identity.ts";
import { AuditServiceClient } from "../../../proto/gen/tidegate/control/v1/audit_service.ts";
import { RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import {
  GateAction,
  type VersionGate,
} from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import {
  type TestVersionGatesRequest,
  VersionGateServiceClient,
} from "../../../proto/gen/tidegate/control/v1/version_gate_service.ts";
import { defaultRoomClass } from "../../../proto/room-class.ts";
import { type OpenTestGateway, openTestGateway } from "../../gateway/start-gateway.ts";
import { gateRecord } from "../../proto/gates/gate-tools.ts";
import { call, refusal } from "../start-control-plane.ts";

const { ALLOW, WARN, READ_ONLY, REFUSE } = GateAction;
const silentLog = { debug() {}, info() {}, warn() {}, error() {} };
const minimum = { client: "game", required: ">=2.1.0", action: REFUSE };

let gateway: OpenTestGateway;
let plane: ControlPlane;
let client: VersionGateServiceClient;
let audit: AuditServiceClient;

beforeAll(async () => {
  const nobody = await authenticateNone()("");
  const authenticate = (token: string): Identity => ({ ...nobody, user: token });
  gateway = await openTestGateway({ parts: { gatewayId: "tidegate", authenticate } });
  plane = await startControlPlane(gateway.bus, silentLog, { port: 0 });
  client = new VersionGateServiceClient(plane.address, credentials.createInsecure());
  audit = new AuditServiceClient(plane.address, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  audit.close();
  await plane.close();
  await gateway.close();
});
afterEach(async () => {
  for (const { name } of (await list()).versionGates) await remove(name);
});

interface More {
  readonly validateOnly?: boolean;
  readonly requestId?: string;
  readonly mask?: string[];
  readonly allowMissing?: boolean;
}

function create(id: string, fields: Partial<VersionGate>, more: More = {}) {
  const { validateOnly = false, requestId = "" } = more;
  const versionGate = gateRecord(fields);
  const request = { versionGateId: id, versionGate, validateOnly, requestId };
  return call(client, client.createVersionGate, request);
}

function update(id: string, fields: Partial<VersionGate>, more: More = {}) {
  const { validateOnly = false, requestId = "", mask, allowMissing = false } = more;
  const versionGate = gateRecord({ name: `gates/${id}`, ...fields });
  const request = { versionGate, updateMask: mask, validateOnly, requestId, allowMissing };
  return call(client, client.updateVersionGate, request);
}

const get = (name: string) => call(client, client.getVersionGate, { name });
const list = (more = {}) =>
  call(client, client.listVersionGates, { pageSize: 0, pageToken: "", ...more });
const remove = (name: string, more = {}) =>
  call(client, client.deleteVersionGate, {
    ...{ name, etag: "", validateOnly: false, requestId: "", ...more },
  });
const tryClient = (fields: Partial<TestVersionGatesRequest>) =>
  call(client, client.testVersionGates, {
    ...{ tenant: "tenants/default", client: "game", version: "2.0.0", platform: "ios", user: "" },
    ...{ room: "", versionGate: undefined, ...fields },
  });
const build = (version: string) => ({ name: "game", version, platform: "ios" });

describe("changes", () => {
  test("a gate is created, read, listed, changed by mask and etag, and deleted", async () => {
    const { versionGate: created } = await create("min", { ...minimum, percent: 10 });
    expect(created).toMatchObject({ name: "gates/min", ...minimum, percent: 10 });
    expect((await get("gates/min")).versionGate).toEqual(created);
    const { versionGate: changed } = await update("min", { percent: 0, etag: created?.etag ?? "" });
    expect(changed).toMatchObject({ ...minimum, percent: 0 });
    const stale = await refusal(update("min", { percent: 50, etag: created?.etag ?? "" }));
    expect(stale).toMatchObject({ grpc: status.ABORTED, code: "ETAG_MISMATCH" });
    const { versionGate: whole } = await update(
      "min",
      { percent: undefined },
      { mask: ["percent"] },
    );
    expect(whole?.percent).toBeUndefined();
    expect(
      (await update("min", { percent: undefined }, { mask: ["percent"] })).versionGate?.etag,
    ).toBe(whole?.etag);
    expect((await list()).versionGates.map(({ name }) => name)).toEqual(["gates/min"]);
    await remove("gates/min");
    expect(await refusal(get("gates/min"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await refusal(remove("gates/min"))).toMatchObject({ code: "NOT_FOUND" });
  });

  test("one of that name is refused; update creates only when it may", async () => {
    await create("min", minimum);
    expect(await refusal(create("min", minimum))).toMatchObject({ code: "ALREADY_EXISTS" });
    expect(await refusal(update("other", minimum))).toMatchObject({ code: "NOT_FOUND" });
    const { versionGate } = await update("other", minimum, { allowMissing: true });
    expect(versionGate?.name).toBe("gates/other");
  });

  test("every fault is told by its path", async () => {
    const refused = await refusal(create("Min", { name: "gates/other", ...minimum }));
    expect(refused.fields).toEqual(["version_gate_id", "version_gate.name"]);
    const faults = {
      ...minimum,
      required: ">=two",
      percent: 101,
      sets: [{ name: "A", versions: "" }],
    };
    const many = await refusal(create("min", faults));
    expect(many).toMatchObject({ grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" });
    expect(many.fields).toEqual([
      "version_gate.percent",
      "version_gate.required",
      "version_gate.sets[0].name",
      "version_gate.sets[0].versions",
    ]);
    expect((await refusal(update("min", {}, { mask: ["percents"] }))).fields).toEqual([
      "update_mask",
    ]);
    expect((await refusal(get("gates/Min"))).fields).toEqual(["name"]);
  });

  test("classes must be there: built in, or of the tenant, or of any for a gate of all", async () => {
    const rooms = { ...minimum, roomClasses: ["chat", "gamma"] };
    const unknown = await refusal(create("rooms", rooms));
    expect(unknown.fields).toEqual(["version_gate.room_classes[1]"]);
    expect(unknown.message).toContain('"gamma" is a class that no tenant has');
    await gateway.putClass("gamma", defaultRoomClass("", RoomMode.EPHEMERAL));
    await create("rooms", rooms);
    const other = await refusal(create("theirs", { ...rooms, tenant: "tenants/acme" }));
    expect(other.message).toContain('"gamma" is a class that tenant "acme" does not have');
  });

  test("a request id is answered once, and each change is in the audit log", async () => {
    const requestId = "change-1";
    const first = await create("min", minimum, { requestId });
    const again = await create("min", minimum, { requestId });
    expect(again.versionGate?.etag).toBe(first.versionGate?.etag);
    await update("min", { action: WARN, percent: 0 });
    const { auditEntries } = await call(audit, audit.listAuditEntries, {
      ...{ pageSize: 2, pageToken: "", resource: "gates/min", principal: "", method: "" },
      ...{ refusedOnly: false, startTime: undefined, endTime: undefined },
    });
    expect(auditEntries.map(({ method, outcome }) => [method.split("/")[1], outcome])).toEqual([
      ["UpdateVersionGate", "OK"],
      ["CreateVersionGate", "OK"],
    ]);
    expect(JSON.parse(auditEntries[0]?.after ?? "")).toEqual({
      ...{ client: "game", required: ">=2.1.0", action: "WARN", percent: 0 },
    });
  });

  test("101 gates are one too many", async () => {
    const ids = Array.from({ length: 100 }, (_, i) => `g${i}`);
    await Promise.all(ids.map((id) => create(id, { versions: "1.0.0", action: WARN })));
    expect(await refusal(create("more", minimum))).toMatchObject({ code: "VERSION_GATE_LIMIT" });
    await update("g1", { action: REFUSE });
    const first = await list({ pageSize: 60 });
    const rest = await list({ pageSize: 60, pageToken: first.nextPageToken });
    expect([first.versionGates.length, rest.versionGates.length, rest.nextPageToken]).toEqual([
      ...[60, 40, ""],
    ]);
  });
});

describe("validate_only", () => {
  test("says how many open connections a change would concern, by build, and changes nothing", async () => {
    await create("warn", { client: "game", required: ">=3.0.0", action: WARN });
    const versions = ["2.0.0", "2.0.0", "2.0.9", "2.1.0", "3.0.0"];
    const clients = await Promise.all(
      versions.map((version) => gateway.client({ build: build(version) })),
    );
    const { impact, versionGate } = await create("min", minimum, { validateOnly: true });
    expect(versionGate).toMatchObject(minimum);
    const row = (version: string, connectionCount: bigint) => ({
      ...{ client: "game", version, platform: "ios", before: WARN, after: REFUSE },
      ...{ moved: false, connectionCount },
    });
    expect(impact).toEqual({
      ...{ connectionCount: 5n, affectedCount: 3n, otherCount: 0n, silentGateways: [] },
      builds: [row("2.0.0", 2n), row("2.0.9", 1n)],
    });
    expect(await refusal(get("gates/min"))).toMatchObject({ code: "NOT_FOUND" });
    const gone = await remove("gates/warn", { validateOnly: true });
    expect(gone.impact?.builds.map(({ version, after }) => [version, after])).toEqual([
      ["2.0.0", ALLOW],
      ["2.0.9", ALLOW],
      ["2.1.0", ALLOW],
    ]);
    await Promise.all(clients.map((each) => each.close()));
  });

  test("counts rooms that would close, and members that would move", async () => {
    const member = await gateway.client({ build: build("2.0.0") });
    const other = await gateway.client({ build: build("2.0.0") });
    await member.join("live:a");
    await other.join("chat:a");
    const rooms = { roomClasses: ["live"], required: ">=2.1.0", action: READ_ONLY };
    const closing = await create("rooms", rooms, { validateOnly: true });
    expect(closing.impact).toMatchObject({
      ...{ connectionCount: 2n, affectedCount: 1n },
      builds: [{ before: ALLOW, after: READ_ONLY, moved: false, connectionCount: 1n }],
    });
    const sets = { roomClasses: ["chat"], sets: [{ name: "green", versions: ">=2.0.0" }] };
    const moving = await create("sets", sets, { validateOnly: true });
    expect(moving.impact?.builds).toMatchObject([{ moved: true, before: ALLOW, after: ALLOW }]);
    await Promise.all([member.close(), other.close()]);
  });
});

describe("TestVersionGates", () => {
  test("says what a client would get, and how each gate looks at it", async () => {
    await create("min", { ...minimum, message: "Please update" });
    await create("old", { required: ">=2.5.0", action: WARN });
    await create("tv", { platform: "tv", versions: "*", action: ALLOW, priority: 5 });
    const answer = await tryClient({});
    expect(answer.connection).toMatchObject({
      ...{ action: REFUSE, gate: "gates/min", required: ">=2.1.0", message: "Please update" },
    });
    expect(answer.findings).toEqual([
      {
        ...{ gate: "gates/tv", concerns: false, decides: false },
        reason: 'is about platform "tv", not "ios"',
      },
      {
        ...{ gate: "gates/min", concerns: true, decides: true },
        reason: 'version "2.0.0" is not in >=2.1.0',
      },
      {
        ...{ gate: "gates/old", concerns: true, decides: false },
        reason: 'version "2.0.0" is not in >=2.5.0, but min goes first',
      },
    ]);
    expect((await tryClient({ platform: "tv" })).connection?.action).toBe(ALLOW);
  });

  test("tells the room that a build would find itself in, and what holds there", async () => {
    await create("sets", { roomClasses: ["live"], sets: [{ name: "green", versions: ">=2.0.0" }] });
    await create("rooms", { roomClasses: ["live"], required: ">=2.1.0", action: READ_ONLY });
    const answer = await tryClient({ room: "live:a" });
    expect(answer).toMatchObject({
      connection: { action: ALLOW, gate: "" },
      room: { action: READ_ONLY, gate: "gates/rooms" },
      ...{ roomName: "live:a~green", setGate: "gates/sets" },
    });
    const foreign = await tryClient({ room: "live:a~green", version: "1.0.0" });
    expect(foreign).toMatchObject({ room: { action: REFUSE }, roomName: "" });
  });

  test("tries a gate that is not there yet, and says what gateways it leaves", async () => {
    const gates = { name: "gates/v2", versions: ">=2.0.0", gateways: ">=0.3.0" };
    const answer = await tryClient({ versionGate: gateRecord(gates) });
    expect(answer.gateways).toEqual([">=0.3.0"]);
    expect(answer.findings).toMatchObject([{ gate: "gates/v2", concerns: true, decides: false }]);
    const faulty = await refusal(
      tryClient({ versionGate: gateRecord({ ...gates, gateways: "?" }) }),
    );
    expect(faulty.fields).toEqual(["version_gate.gateways"]);
    expect((await list()).versionGates).toEqual([]);
  });

  test("a percentage is explained by where the user stands", async () => {
    await create("min", { ...minimum, percent: 50 });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => tryClient({ user: `user-${i}` })),
    );
    const actions = new Set(answers.map(({ connection }) => connection?.action));
    expect(actions).toEqual(new Set([ALLOW, REFUSE]));
    const spared = answers.find(({ connection }) => connection?.action === ALLOW);
    expect(spared?.findings[0]?.reason).toMatch(
      /^is for 50 % of users; this one stands at [5-9]\d/,
    );
  });
});
