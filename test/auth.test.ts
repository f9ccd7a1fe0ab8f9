/**
 * Identities end to end, in real processes: token files and JWTs, capabilities in every frame that
 * has a room, and tenants that never see each other.
 */
import { createHmac, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RawClient } from "./gateway/raw-client.ts";
import { type Server, startServer } from "./start-server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-auth-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function writeFile(name: string, text: string): string {
  const file = path.join(folder, name);
  writeFileSync(file, text);
  return file;
}

/** The close code and error code that a Hello with this token gets. */
async function refusal(server: Server, token: string): Promise<[number, string]> {
  const client = new RawClient(server.port);
  await client.opened();
  client.hello({ token });
  const { code, reason } = await client.closed;
  return [code, reason];
}

/** The code that a request was refused with, or "done". */
async function outcome(client: RawClient, requestId: number): Promise<string> {
  const isAnswer = (frame: (typeof client.frames)[number]) =>
    "requestId" in frame.value && frame.value.requestId === requestId;
  await client.nextCount(0, isAnswer);
  const answer = client.frames.find(isAnswer);
  return answer?.$case === "error" ? answer.value.code : "done";
}

function history(client: RawClient, target: { alias?: number; room?: string }): number {
  const requestId = client.nextId();
  const value = {
    ...{ requestId, cursor: undefined, limit: 5 },
    target:
      target.room === undefined
        ? { $case: "roomAlias" as const, value: target.alias ?? 0 }
        : { $case: "room" as const, value: target.room },
  };
  client.send({ $case: "history", value });
  return requestId;
}

const invalid = [4504, "TOKEN_INVALID"];

describe("AUTH=static", () => {
  const tokens = {
    anna: "token-of-anna-in-acme",
    bert: "token-of-bert-in-acme",
    eve: "token-of-eve-in-other",
    reader: "token-of-a-reader-only",
    joiner: "token-of-a-joiner-only",
  };
  let server: Server;
  beforeAll(async () => {
    const grants = (can: string[]) => [{ rooms: "chat:open-*", can }];
    const file = writeFile(
      "tokens.json",
      JSON.stringify({
        tokens: [
          { token: tokens.anna, tenant: "acme", user: "anna" },
          { token: tokens.bert, tenant: "acme", user: "bert", grants: grants(["join", "publish"]) },
          { token: tokens.reader, tenant: "acme", user: "r", grants: grants(["join", "history"]) },
          { token: tokens.joiner, tenant: "acme", user: "j", grants: grants(["join"]) },
          { token: tokens.eve, tenant: "other", user: "eve" },
        ],
      }),
    );
    server = await startServer({ env: { AUTH: "static", AUTH_TOKENS_FILE: file } });
  });
  afterAll(() => server?.close());

  test("Welcome says who the client is; unknown, empty and huge tokens are refused", async () => {
    const client = await RawClient.open(server.port, { token: tokens.anna });
    expect([client.welcome?.tenant, client.welcome?.user]).toEqual(["acme", "anna"]);
    for (const token of ["", "x".repeat(30), `${tokens.anna} `, "y".repeat(9000)]) {
      expect(await refusal(server, token)).toEqual(invalid);
    }
    await client.close();
  });

  test("capabilities by room pattern: join, publish by alias and by name, history both ways", async () => {
    const open = (token: string) => RawClient.open(server.port, { token });
    const [anna, bert, reader, joiner] = await Promise.all(
      [tokens.anna, tokens.bert, tokens.reader, tokens.joiner].map(open),
    );
    if (!anna || !bert || !reader || !joiner) throw new Error("not all connected");
    await anna.ack(anna.publish({ room: "chat:open-1", seq: 1, payload: "by anna" }));
    const denied = "PERMISSION_DENIED";
    for (const client of [bert, reader, joiner]) {
      const id = client.sendJoin([{ room: "chat:closed", after: undefined, history: 0 }]);
      expect(await outcome(client, id)).toBe(denied);
    }
    const room = "chat:open-1";
    const joined = {
      bert: await bert.join(room),
      reader: await reader.join(room, { history: 5 }),
      joiner: await joiner.join(room),
    };
    expect(joined.bert.policy).toMatchObject({ mayPublish: true, mayReadHistory: false });
    expect(joined.reader.policy).toMatchObject({ mayPublish: false, mayReadHistory: true });
    expect(joined.joiner.policy).toMatchObject({ mayPublish: false, mayReadHistory: false });
    const alias = joined.bert.roomAlias;
    expect(await reader.texts(alias, 1)).toEqual(["by anna"]);

    const publishes = [
      [bert, { alias }, "done"],
      [bert, { room }, "done"],
      [bert, { room: "chat:closed" }, denied],
      [bert, { room: "live:open-1" }, denied],
      [reader, { alias }, denied],
      [reader, { room }, denied],
      [joiner, { alias }, denied],
    ] as const;
    for (const [i, [client, target, expected]] of publishes.entries()) {
      const id = client.publish({ ...target, seq: i + 1, payload: "x" });
      expect(await outcome(client, id)).toBe(expected);
    }
    const reads = [
      [reader, { alias }, "done"],
      [reader, { room }, "done"],
      [reader, { room: "chat:closed" }, denied],
      [bert, { alias }, denied],
      [joiner, { room }, denied],
    ] as const;
    for (const [client, target, expected] of reads) {
      expect(await outcome(client, history(client, target))).toBe(expected);
    }
    // A join with history is a read too: it gave the stored messages to whoever might join.
    const again = await open(tokens.joiner);
    const id = again.sendJoin([{ room, after: undefined, history: 5 }]);
    expect(await outcome(again, id)).toBe(denied);
    for (const client of [anna, bert, reader, joiner, again]) await client.close();
  });

  test("two tenants with rooms of one name never see each other, live, stored or resumed", async () => {
    const anna = await RawClient.open(server.port, { token: tokens.anna });
    const eve = await RawClient.open(server.port, { token: tokens.eve });
    for (const room of ["chat:shared", "live:shared"]) {
      const mine = await anna.join(room);
      const theirs = await eve.join(room);
      expect(theirs.roomAlias).not.toBe(mine.roomAlias);
      await anna.ack(anna.publish({ room, seq: 1, payload: "acme's" }));
      await eve.ack(eve.publish({ alias: theirs.roomAlias, seq: 1, payload: "other's" }));
      expect(await anna.texts(mine.roomAlias, 1)).toEqual(["acme's"]);
      expect(await eve.texts(theirs.roomAlias, 1)).toEqual(["other's"]);
      const stolen = eve.publish({ alias: mine.roomAlias, seq: 2, payload: "stolen alias" });
      expect((await eve.error(stolen)).code).toBe("NOT_JOINED");
      await Promise.all([anna.settle(), eve.settle()]);
      expect([anna.messages(mine.roomAlias).length, eve.messages(theirs.roomAlias).length]).toEqual(
        [1, 1],
      );
    }
    const id = history(eve, { room: "chat:shared" });
    const page = await eve.next("historyPage", (each) => each.requestId === id);
    expect(page.messages.map((m) => m.envelope?.payload.toString())).toEqual(["other's"]);
    const position = anna.frames.flatMap((frame) =>
      frame.$case === "message" && frame.value.position ? [frame.value.position] : [],
    )[0];
    const late = await RawClient.open(server.port, { token: tokens.eve });
    const joined = await late.join("chat:shared", { after: position });
    expect(joined.recovered).toBe(false); // acme's position is in no room of other
    for (const client of [anna, eve, late]) await client.close();
  });
});

describe("AUTH=jwt", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const inAnHour = () => Math.floor(Date.now() / 1000) + 3600;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

  test("HS256: identity and grants hold; expired, none, unsigned and foreign are refused", async () => {
    const env = { AUTH: "jwt", AUTH_JWT_KEY_FILE: writeFile("secret", `${secret}\n`) };
    const server = await startServer({ env });
    onTestFinished(() => server.close());
    const sign = (claims: Record<string, unknown>, key = secret) =>
      new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(Buffer.from(key));
    const grants = [{ rooms: "live:*", can: ["join"] }];
    const claims = { sub: "zoe", tenant: "acme", exp: inAnHour(), grants };
    const client = await RawClient.open(server.port, { token: await sign(claims) });
    expect([client.welcome?.tenant, client.welcome?.user]).toEqual(["acme", "zoe"]);
    const { roomAlias: alias } = await client.join("live:a");
    const id = client.publish({ alias, payload: "x" });
    expect((await client.error(id)).code).toBe("PERMISSION_DENIED");
    await client.close();
    const refused = [
      await sign({ sub: "zoe" }),
      await sign({ ...claims, grants: "everything" }),
      await sign(claims, `${secret}x`),
      `${part({ alg: "none" })}.${part(claims)}.`,
      `${(await sign(claims)).slice(0, -4)}AAAA`,
      await sign({ ...claims, padding: "x".repeat(9000) }),
    ];
    for (const token of refused) expect(await refusal(server, token)).toEqual(invalid);
    const ended = await sign({ ...claims, exp: inAnHour() - 7200 });
    expect(await refusal(server, ended)).toEqual([4007, "TOKEN_EXPIRED"]);
  });

  test("EdDSA: the public key verifies, and is no HMAC secret", async () => {
    const env = { AUTH: "jwt", AUTH_JWT_KEY_FILE: writeFile("key.pub.pem", publicPem) };
    const server = await startServer({ env });
    onTestFinished(() => server.close());
    const claims = { sub: "zoe", exp: inAnHour() };
    const token = await new SignJWT(claims).setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
    const client = await RawClient.open(server.port, { token });
    expect([client.welcome?.tenant, client.welcome?.user]).toEqual(["default", "zoe"]);
    await client.close();
    const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
    for (const key of [publicPem, publicPem.trim()]) {
      const signature = createHmac("sha256", key).update(signed).digest("base64url");
      expect(await refusal(server, `${signed}.${signature}`)).toEqual(invalid);
    }
    const [header, , signature] = token.split(".");
    const forged = `${header}.${part({ ...claims, sub: "root" })}.${signature}`;
    expect(await refusal(server, forged)).toEqual(invalid);
  });
});
