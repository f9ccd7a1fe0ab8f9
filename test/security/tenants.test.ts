/**
 * What somebody with a good token of one tenant tries on another tenant, and on other users of his
 * own, on both buses: names, aliases, positions, producer keys, session tokens, subjects.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Position } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import { LimitServiceClient } from "../../proto/gen/tidegate/control/v1/limit_service.ts";
import { call } from "../controlplane/start-control-plane.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { startTestNats, type TestNats } from "../nats/start-nats.ts";
import { type Server, startServer } from "../start-server.ts";

/**
 * Users whose names would be something else as a subject, a key, a path or a command. Control
 * characters are in no name: claims with some are refused.
 */
const strangeUsers = ["*", ">", "a.*", "anna.>", "tg.out.0", "PUB tg.ctl 0", "../anna", "a b"];

const token = (tenant: string, user: string) =>
  `token-of-${Buffer.from(`${tenant} ${user}`).toString("hex")}`;
const identities = [
  ["acme", "anna"],
  ["acme", "bert"],
  ["evil", "mallory"],
  ["evil", "anna"],
  ...strangeUsers.map((user) => ["evil", user] as const),
] as const;

/** With a limit of users' connections there are seats, which session tokens move. */
async function limitUsers(grpc: string, tenant: string): Promise<void> {
  const client = new LimitServiceClient(grpc, credentials.createInsecure());
  const name = `tenants/${tenant}/limits/connections-per-user`;
  const unset = { outagePolicy: 0, etag: "", updateTime: undefined, used: 0n } as const;
  const limit = { ...unset, name, value: 50n };
  const rest = { updateMask: undefined, validateOnly: false, requestId: "", allowBelowUse: false };
  await call(client, client.updateLimit, { limit, ...rest });
  client.close();
}

describe.each(["embedded bus", "NATS"])("%s", (kind) => {
  let nats: TestNats | null = null;
  let server: Server;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), "tidegate-tenants-"));
    const file = path.join(folder, "tokens.json");
    const tokens = identities.map(([tenant, user]) => ({
      ...{ tenant, user, token: token(tenant, user) },
    }));
    writeFileSync(file, JSON.stringify({ tokens }));
    if (kind === "NATS") nats = await startTestNats(1);
    const auth = { AUTH: "static", AUTH_TOKENS_FILE: file };
    const bus = nats === null ? undefined : { NATS_URL: nats.urls.join(","), SHARD_COUNT: "1" };
    server = await startServer({ env: { ...auth, ...bus, SEAT_HOLD_MS: "1000" } });
    for (const tenant of ["acme", "evil"]) await limitUsers(server.grpc, tenant);
  }, 120_000);

  afterAll(async () => {
    await server?.close();
    await nats?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A connection of a user; ends with the test. */
  async function open(tenant: string, user: string, hello: Partial<Hello> = {}) {
    const client = await RawClient.open(server.port, { token: token(tenant, user), ...hello });
    onTestFinished(() => void client.socket.terminate());
    return client;
  }

  /** Anna of acme, who is in a room with three messages. */
  async function openVictim(room: string) {
    const victim = await open("acme", "anna");
    const { roomAlias } = await victim.join(room);
    for (const [i, payload] of ["one", "two", "three"].entries()) {
      await victim.ack(victim.publish({ room, seq: i + 1, payload }));
    }
    await victim.texts(roomAlias, 3);
    /** Everything she has got in the room, once a fourth message has come through. */
    const texts = async () => {
      await victim.ack(victim.publish({ room, seq: 4, payload: "four" }));
      const seen = await victim.texts(roomAlias, 4);
      await victim.settle();
      return seen.length === 4 ? victim.texts(roomAlias, 4) : seen;
    };
    const [, last] = victim.messages(roomAlias).slice(-2);
    const { welcome, producerKey } = victim;
    return { victim, roomAlias, texts, welcome, producerKey, position: last?.position };
  }

  const own = ["one", "two", "three", "four"];

  /** Texts of a room's whole history, as this client may read it. */
  async function history(client: RawClient, room: string, after?: Position) {
    const requestId = client.nextId();
    const target = { $case: "room" as const, value: room };
    const cursor = after === undefined ? undefined : { $case: "after" as const, value: after };
    client.send({ $case: "history", value: { requestId, target, cursor, limit: 100 } });
    const page = await client.next("historyPage", (each) => each.requestId === requestId);
    return page.messages.map(({ envelope }) => `${envelope?.payload}`);
  }

  test("names: the same room name is another room, and no name reaches into another tenant", async () => {
    const { texts } = await openVictim("chat:names");
    const mallory = await open("evil", "mallory");
    const names = ["names", "acme/names", "acme:names", "*", ">", "acme.>", "../acme/names", "%"];
    for (const name of names.map((each) => `chat:${each}`)) {
      const { roomAlias } = await mallory.join(name, { history: 10 });
      await mallory.ack(mallory.publish({ room: name, seq: 1, payload: "from mallory" }));
      expect(await mallory.texts(roomAlias, 1)).toEqual(["from mallory"]);
      expect(await history(mallory, name)).toEqual(["from mallory"]);
    }
    expect(await texts()).toEqual(own);
    await mallory.settle();
    const heard = mallory.frames.filter(({ $case }) => $case === "message");
    expect(heard).toHaveLength(names.length);
  });

  test("aliases: another's number, of the same gateway, is nothing to who has not joined", async () => {
    const { roomAlias, texts } = await openVictim("chat:aliases");
    const mallory = await open("evil", "mallory");
    for (const alias of [roomAlias, roomAlias + 1, 0, 2 ** 32 - 1]) {
      const { code } = await mallory.error(mallory.publish({ alias, seq: 1, payload: "forged" }));
      expect([alias, code]).toEqual([alias, "NOT_JOINED"]);
      const requestId = mallory.nextId();
      const target = { $case: "roomAlias" as const, value: alias };
      mallory.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 9 } });
      expect((await mallory.error(requestId)).code).toBe("NOT_JOINED");
      mallory.send({ $case: "leave", value: { requestId: mallory.nextId(), roomAlias: alias } });
    }
    await mallory.settle();
    expect(await texts()).toEqual(own);
  });

  test("positions: one of another tenant's room reads nothing of it", async () => {
    const { position } = await openVictim("chat:positions");
    expect(position).toBeDefined();
    const mallory = await open("evil", "mallory");
    await mallory.ack(mallory.publish({ room: "chat:positions", seq: 1, payload: "mine" }));
    for (const seq of [0n, 1n, position?.seq ?? 0n, 1_000_000n]) {
      const after = { epoch: 1, timeUs: 0n, ...position, seq };
      const elsewhere = await open("evil", "mallory");
      const joined = await elsewhere.join("chat:positions", { after });
      await elsewhere.settle();
      const seen = elsewhere
        .messages(joined.roomAlias)
        .map(({ envelope }) => `${envelope?.payload}`);
      expect([seq, seen.filter((text) => text !== "mine")]).toEqual([seq, []]);
      expect(
        (await history(mallory, "chat:positions", after)).filter((each) => each !== "mine"),
      ).toEqual([]);
    }
  });

  test("producer keys: another's key and numbers swallow nothing of his, in no tenant", async () => {
    const { producerKey, texts } = await openVictim("chat:keys");
    for (const [tenant, user] of [
      ["acme", "bert"],
      ["evil", "mallory"],
      ["evil", "anna"],
    ] as const) {
      const thief = await open(tenant, user, { producerKey });
      const ack = await thief.ack(thief.publish({ room: "chat:other", seq: 4, payload: "x" }));
      expect(ack.duplicate).toBe(false);
      if (tenant === "acme") continue;
      await thief.ack(thief.publish({ room: "chat:keys", seq: 4, payload: "x" }));
    }
    expect(await texts()).toEqual(own); // her own fourth is stored, and is no duplicate
  });

  test("session tokens: shown by anybody else they take over nothing", async () => {
    const { victim, welcome, texts } = await openVictim("chat:sessions");
    const sessionToken = welcome?.sessionToken;
    for (const [tenant, user] of [
      ["acme", "bert"],
      ["evil", "mallory"],
      ["evil", "anna"],
    ] as const) {
      const thief = await open(tenant, user, { sessionToken });
      expect(Buffer.from(thief.welcome?.sessionToken ?? [])).not.toEqual(
        Buffer.from(sessionToken ?? []),
      );
    }
    expect(await texts()).toEqual(own);
    expect(victim.socket.readyState).toBe(victim.socket.OPEN);
    // Shown by herself it moves her seat: the old connection ends. Again: two are never admitted.
    const second = await open("acme", "anna", { sessionToken });
    expect((await victim.closed).code).toBe(4500);
    await open("acme", "anna", { sessionToken });
    expect((await second.closed).code).toBe(4500);
  });

  test("user names that would be subjects, wildcards, lines or paths are names", async () => {
    const { texts } = await openVictim("chat:subjects");
    const anna = await open("evil", "anna");
    const { roomAlias } = await anna.join("chat:subjects");
    for (const [i, user] of strangeUsers.entries()) {
      const client = await open("evil", user);
      expect(client.welcome?.user).toBe(user);
      await client.ack(client.publish({ room: "chat:subjects", seq: 1, payload: user }));
      await anna.texts(roomAlias, i + 1);
      expect(anna.messages(roomAlias)[i]?.envelope).toMatchObject({ user });
    }
    expect(await texts()).toEqual(own);
    expect(server.stderr()).not.toContain('"level":50');
  });
});
