import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { authenticateNone } from "../../../gateway/auth/authenticate.ts";
import type { Identity } from "../../../gateway/identity.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";
import { gateKey } from "../../../proto/gates/names.ts";
import { GateAction, VersionGate } from "../../../proto/gen/tidegate/control/v1/version_gate.ts";
import { wrapMethods } from "../../controlplane/start-control-plane.ts";
import { gateRecord } from "../../proto/gates/gate-tools.ts";
import type { RawClient } from "../raw-client.ts";
import { type OpenTestGateway, openTestGateway, testGateway } from "../start-gateway.ts";

const { ALLOW, WARN, READ_ONLY, REFUSE } = GateAction;
const build = (version: string, name = "game") => ({ name, version, platform: "ios" });

let server: OpenTestGateway;

beforeAll(async () => {
  const [nobody] = [await authenticateNone()("")];
  server = await openTestGateway({
    parts: { authenticate: (token): Identity => ({ ...nobody, user: token }) },
  });
});
afterAll(() => server.close());
afterEach(async () => {
  for (const id of ["a", "b", "rooms", "sets"]) await put(server.bus, id, null);
});

/** Writes a gate as the control plane does; null deletes it. */
async function put(bus: Bus, id: string, fields: Partial<VersionGate> | null): Promise<void> {
  const bucket = await bus.keyValue(CONTROL_BUCKET);
  const present = await bucket.get(gateKey(id));
  const revision = present?.revision ?? 0;
  if (fields === null && present === null) return;
  const value = fields === null ? null : VersionGate.encode(gateRecord(fields)).finish();
  await bucket.commit([{ key: gateKey(id), value, revision }]);
}

/** A gate that is in force here: the gateway is asked until it has it. */
async function enforce(id: string, fields: Partial<VersionGate>): Promise<void> {
  await put(server.bus, id, { message: id, ...fields });
}

function frames(client: RawClient): string[] {
  return client.frames.map((frame) =>
    frame.$case === "versionMismatch"
      ? `${frame.$case} ${frame.value.action} ${frame.value.gate} ${frame.value.room}`.trim()
      : frame.$case,
  );
}

async function refusedHello(version: string, token = ""): Promise<RawClient> {
  const client = await server.silentClient();
  client.hello({ build: build(version), token });
  await client.closed;
  return client;
}

describe("Hello", () => {
  test("a refused build gets VersionMismatch, the error, then close 4507, and no Welcome", async () => {
    const downloadUrl = "https://example.com/get";
    await enforce("a", { client: "game", required: ">=2.1.0", action: REFUSE, downloadUrl });
    const client = await refusedHello("2.0.9");
    expect(await client.closed).toEqual({ code: 4507, reason: "VERSION_REFUSED" });
    expect(server.gateway.stats().gates).toEqual({ count: 1, refused: 1 });
    expect(client.frames).toMatchObject([
      {
        $case: "versionMismatch",
        value: {
          ...{ action: REFUSE, version: "2.0.9", required: ">=2.1.0", gate: "a", room: "" },
          ...{ message: "a", downloadUrl },
        },
      },
      { $case: "error", value: { code: "VERSION_REFUSED", retryable: false } },
    ]);
  });

  test("a build that is new enough, and another client, come in", async () => {
    await enforce("a", { client: "game", required: ">=2.1.0", action: REFUSE });
    const clients = await Promise.all([
      server.client({ build: build("2.1.0") }),
      server.client({ build: build("0.1.0", "viewer") }),
    ]);
    for (const client of clients) {
      await client.settle();
      expect(frames(client)).toEqual(["welcome", "pong"]);
    }
  });

  test("a build to be warned is welcomed, then told, and may publish", async () => {
    await enforce("a", { required: ">=2.1.0", action: WARN });
    const client = await server.client({ build: build("2.0.0") });
    const { roomAlias } = await client.join("live:warned");
    const id = client.publish({ alias: roomAlias, payload: "x" });
    await client.ack(id);
    expect(frames(client).slice(0, 2)).toEqual(["welcome", `versionMismatch ${WARN} a`]);
  });

  test("a gate that comes while a Hello waits holds for it", async () => {
    let isConnected = true;
    const wrapBus = (bus: Bus) =>
      wrapMethods(bus, { status: () => ({ ...bus.status(), isConnected }) });
    const waiting = await testGateway({ wrapBus });
    isConnected = false;
    const client = await waiting.silentClient();
    client.hello({ build: build("2.0.0") });
    await put(waiting.bus, "a", { required: ">=2.1.0", action: REFUSE });
    await expect.poll(() => waiting.gateway.stats().gates.count, { interval: 5 }).toBe(1);
    isConnected = true;
    expect((await client.closed).code).toBe(4507);
    expect(frames(client)).toEqual([`versionMismatch ${REFUSE} a`, "error"]);
  });

  test("percent holds for the same users at each connection", async () => {
    await enforce("a", { required: ">=9.0.0", action: REFUSE, percent: 50 });
    const outcome = async (user: string) => {
      const client = await server.silentClient();
      client.hello({ build: build("2.0.0"), token: user, producerKey: randomBytes(16) });
      await client.nextCount(1, () => true);
      const first = client.frames[0]?.$case ?? "";
      await client.close();
      return first;
    };
    const users = Array.from({ length: 24 }, (_, i) => `user-${i}`);
    const first = await Promise.all(users.map(outcome));
    expect(new Set(first)).toEqual(new Set(["welcome", "versionMismatch"]));
    expect(await Promise.all(users.map(outcome))).toEqual(first);
  });
});

describe("a read-only build", () => {
  test("joins and reads, and each publish is refused as VERSION_READ_ONLY", async () => {
    await enforce("a", { required: ">=2.1.0", action: READ_ONLY });
    const reader = await server.client({ build: build("2.0.0") });
    const writer = await server.client({ build: build("2.1.0") });
    const [mine, theirs] = [await reader.join("live:read"), await writer.join("live:read")];
    expect([mine.policy?.mayPublish, theirs.policy?.mayPublish]).toEqual([false, true]);
    for (const target of [{ alias: mine.roomAlias }, { room: "live:read" }, { room: "live:x" }]) {
      const error = await reader.error(reader.publish({ ...target, payload: "no" }));
      expect(error).toMatchObject({ code: "VERSION_READ_ONLY", retryable: false });
    }
    writer.publish({ alias: theirs.roomAlias, payload: "yes" });
    expect(await reader.texts(mine.roomAlias, 1)).toEqual(["yes"]);
  });

  test("a publish that the token forbids anyway is PERMISSION_DENIED", async () => {
    await enforce("a", { required: ">=2.1.0", action: READ_ONLY });
    const client = await server.client({ build: build("2.0.0") });
    const { roomAlias } = await client.join("chat:x");
    expect(
      await client.error(client.publish({ alias: roomAlias + 1, payload: "a" })),
    ).toMatchObject({ code: "NOT_JOINED" });
  });
});

describe("room classes", () => {
  test("a refused join ends as ROOM_VERSION_REFUSED; other rooms are open", async () => {
    await enforce("rooms", { roomClasses: ["live"], required: ">=2.1.0", action: REFUSE });
    const client = await server.client({ build: build("2.0.0") });
    const requestId = client.sendJoin([{ room: "live:a", after: undefined, history: 0 }]);
    const error = await client.error(requestId);
    expect(error).toMatchObject({ code: "ROOM_VERSION_REFUSED", room: "live:a" });
    expect(frames(client)).toEqual(["welcome", `versionMismatch ${REFUSE} rooms live:a`, "error"]);
    await client.join("chat:a");
    const byName = await client.error(client.publish({ room: "live:a", payload: "a" }));
    expect(byName.code).toBe("VERSION_READ_ONLY");
  });

  test("history of a refused class is refused too", async () => {
    await enforce("rooms", { roomClasses: ["chat"], required: ">=2.1.0", action: REFUSE });
    const client = await server.client({ build: build("2.0.0") });
    const requestId = client.nextId();
    const target = { $case: "room" as const, value: "chat:a" };
    client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 1 } });
    expect((await client.error(requestId)).code).toBe("ROOM_VERSION_REFUSED");
  });

  test("read-only rooms of a class leave others alone", async () => {
    await enforce("rooms", { roomClasses: ["live"], required: ">=2.1.0", action: READ_ONLY });
    const client = await server.client({ build: build("2.0.0") });
    const [live, chat] = [await client.join("live:a"), await client.join("chat:a")];
    expect([live.policy?.mayPublish, chat.policy?.mayPublish]).toEqual([false, true]);
    const error = await client.error(client.publish({ alias: live.roomAlias, payload: "a" }));
    expect(error.code).toBe("VERSION_READ_ONLY");
    await client.ack(client.publish({ alias: chat.roomAlias, payload: "a", seq: 1 }));
  });
});

describe("compatible sets", () => {
  const sets = [{ name: "green", versions: ">=2.0.0" }];

  test("builds of a set meet each other alone, by the name that they ask for", async () => {
    await enforce("sets", { message: "", client: "game", roomClasses: ["live"], sets });
    const [blue, green, other] = await Promise.all([
      server.client({ build: build("1.9.0") }),
      server.client({ build: build("2.0.0") }),
      server.client({ build: build("2.3.1") }),
    ]);
    const joined = await Promise.all([blue, green, other].map((each) => each.join("live:lobby")));
    const [inBlue, inGreen, inOther] = joined;
    expect(joined.map(({ room, sibling }) => [room, sibling])).toEqual([
      ["live:lobby", ""],
      ["live:lobby", "live:lobby~green"],
      ["live:lobby", "live:lobby~green"],
    ]);
    green.publish({ alias: inGreen?.roomAlias ?? 0, payload: "by alias" });
    green.publish({ room: "live:lobby", payload: "by name" });
    blue.publish({ room: "live:lobby", payload: "blue" });
    expect(await other.texts(inOther?.roomAlias ?? 0, 2)).toEqual(["by alias", "by name"]);
    expect(await blue.texts(inBlue?.roomAlias ?? 0, 1)).toEqual(["blue"]);
    await other.settle();
    expect(other.messages(inOther?.roomAlias ?? 0)).toHaveLength(2);
  });

  test("the history of a set is its own", async () => {
    await enforce("sets", { message: "", roomClasses: ["chat"], sets });
    const green = await server.client({ build: build("2.0.0") });
    const { roomAlias } = await green.join("chat:kept");
    await green.ack(green.publish({ alias: roomAlias, payload: "kept", seq: 1 }));
    const page = async (client: RawClient) => {
      const requestId = client.nextId();
      const target = { $case: "room" as const, value: "chat:kept" };
      client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 9 } });
      const { messages } = await client.next("historyPage", (each) => each.requestId === requestId);
      return messages.length;
    };
    expect(await page(green)).toBe(1);
    expect(await page(await server.client({ build: build("1.0.0") }))).toBe(0);
  });

  test("the sibling of another set can not be joined by its name", async () => {
    await enforce("sets", { message: "", roomClasses: ["live"], sets });
    const blue = await server.client({ build: build("1.9.0") });
    const join = blue.sendJoin([{ room: "live:lobby~green", after: undefined, history: 0 }]);
    expect(await blue.error(join)).toMatchObject({ code: "ROOM_VERSION_REFUSED" });
    const green = await server.client({ build: build("2.0.0") });
    expect(await green.join("live:lobby~green")).toMatchObject({ sibling: "" });
  });
});

describe("a gate that changes", () => {
  test("warns, holds to reading, lets go, and closes those who are connected", async () => {
    const client = await server.client({ build: build("2.0.0") });
    const { roomAlias } = await client.join("live:change");
    const mismatch = (action: GateAction) =>
      client.next("versionMismatch", (value) => value.action === action);
    await enforce("a", { required: ">=2.1.0", action: WARN });
    expect(await mismatch(WARN)).toMatchObject({ required: ">=2.1.0", gate: "a" });
    await enforce("a", { required: ">=2.1.0", action: READ_ONLY });
    await mismatch(READ_ONLY);
    const changed = await client.next("roomPolicyChanged");
    expect(changed).toMatchObject({ roomAlias, policy: { mayPublish: false } });
    const refused = await client.error(client.publish({ alias: roomAlias, payload: "a" }));
    expect(refused.code).toBe("VERSION_READ_ONLY");
    await put(server.bus, "a", null);
    expect(await mismatch(ALLOW)).toMatchObject({ gate: "a", required: "" });
    await client.ack(client.publish({ alias: roomAlias, payload: "a" }));
    await enforce("a", { required: ">=2.1.0", action: REFUSE });
    expect((await client.closed).code).toBe(4507);
  });

  test("the same gate written again tells nobody anything", async () => {
    await enforce("a", { required: ">=2.1.0", action: WARN });
    const client = await server.client({ build: build("2.0.0") });
    await client.next("versionMismatch");
    await enforce("a", { required: ">=2.1.0", action: WARN, priority: 3 });
    await enforce("b", { required: ">=2.1.0", action: WARN, priority: 9 });
    await client.next("versionMismatch", ({ gate }) => gate === "b");
    expect(frames(client)).toEqual([
      ...["welcome", `versionMismatch ${WARN} a`, `versionMismatch ${WARN} b`],
    ]);
  });

  test("members of rooms that are closed to them leave; those of a new set join again", async () => {
    const client = await server.client({ build: build("2.0.0") });
    const live = await client.join("live:a");
    const chat = await client.join("chat:a");
    await enforce("rooms", { roomClasses: ["live"], required: ">=2.1.0", action: REFUSE });
    const left = await client.next("left");
    expect(left).toMatchObject({ roomAlias: live.roomAlias, code: "ROOM_VERSION_REFUSED" });
    const sets = [{ name: "green", versions: ">=2.0.0" }];
    await enforce("sets", { message: "", roomClasses: ["chat"], sets });
    const moved = await client.next("left", ({ roomAlias }) => roomAlias === chat.roomAlias);
    expect(moved.code).toBe("ROOM_SEPARATED");
    expect((await client.join("chat:a")).sibling).toBe("chat:a~green");
  });

  test("a record with a fault is refused, and the last good one stays", async () => {
    await enforce("a", { required: ">=2.1.0", action: REFUSE });
    await enforce("a", { required: "rubbish", action: REFUSE });
    expect(await (await refusedHello("2.0.0")).closed).toMatchObject({ code: 4507 });
    expect(server.gateway.stats().config.trouble).toMatch(/^gate.a: required: "rubbish" is no/);
    await (await server.client({ build: build("2.1.0") })).settle();
  });
});
