/**
 * Clients without a token: let in where a room class says so, to those rooms; and tokens in
 * cookies, which count for pages of our own origins alone.
 */
import { expect, test } from "vitest";
import { cookieToken } from "../../../gateway/auth/cookie.ts";
import { isPermitted } from "../../../gateway/auth/permission.ts";
import { authenticateStatic } from "../../../gateway/auth/static-tokens.ts";
import { Action, makeIdentity } from "../../../gateway/identity.ts";
import { AnonymousAccess, RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../../proto/room-class.ts";
import { RawClient } from "../raw-client.ts";
import { type TestGateway, testGateway } from "../start-gateway.ts";

const anna = "a-long-random-string-of-anna";
const authenticate = authenticateStatic(
  JSON.stringify({
    tokens: [{ token: anna, user: "anna", grants: [{ rooms: "chat:*", can: ["join"] }] }],
  }),
);

/** A class with that access for everybody. */
function open(name: string, anonymousAccess: AnonymousAccess) {
  const roomClass = defaultRoomClass(`tenants/default/roomClasses/${name}`, RoomMode.EPHEMERAL);
  return { ...roomClass, anonymousAccess };
}

async function outcome({ port }: TestGateway, token: string): Promise<string> {
  const client = new RawClient(port);
  await client.opened();
  client.hello({ token });
  const welcome = client.next("welcome").then(
    () => "welcome",
    () => "closed",
  );
  const answer = await Promise.race([welcome, client.closed.then(({ reason }) => reason)]);
  client.socket.terminate();
  return answer === "closed" ? (await client.closed).reason : answer;
}

async function joinCode(client: RawClient, room: string): Promise<string> {
  const id = client.sendJoin([{ room, after: undefined, history: 0 }]);
  const isAnswer = (f: (typeof client.frames)[number]) =>
    (f.$case === "joined" || f.$case === "error") && f.value.requestId === id;
  await client.nextCount(0, isAnswer);
  const answer = client.frames.find(isAnswer);
  return answer?.$case === "error" ? answer.value.code : "joined";
}

const options = { anonymousTenant: "default" };

test("nobody comes in without a token before a class says so, nor after it says no more", async () => {
  const gateway = await testGateway({ options, parts: { authenticate } });
  expect(await outcome(gateway, "")).toBe("TOKEN_INVALID");
  await gateway.putClass("news", open("news", AnonymousAccess.READ));
  await expect.poll(() => outcome(gateway, "")).toBe("welcome");
  expect(await outcome(gateway, "a-token-that-is-not-known")).toBe("TOKEN_INVALID");
  await gateway.putClass("news", open("news", AnonymousAccess.NONE));
  await expect.poll(() => outcome(gateway, "")).toBe("TOKEN_INVALID");
});

test("without ANONYMOUS_TENANT no class lets anybody in", async () => {
  const gateway = await testGateway({ parts: { authenticate } });
  await gateway.putClass("news", open("news", AnonymousAccess.READ));
  const client = await gateway.client({ token: anna });
  expect(await joinCode(client, "news:a")).toBe("PERMISSION_DENIED"); // its grants alone count
  expect(await outcome(gateway, "")).toBe("TOKEN_INVALID");
});

test("an anonymous client is in the rooms of such classes alone, as far as they go", async () => {
  const gateway = await testGateway({ options, parts: { authenticate } });
  await gateway.putClass("news", open("news", AnonymousAccess.READ));
  await gateway.putClass("wall", open("wall", AnonymousAccess.PUBLISH));
  const client = await gateway.client();
  expect(client.welcome).toMatchObject({ tenant: "default", user: "", tokenExpiresInMs: 0 });
  const { policy, roomAlias: news } = await client.join("news:a");
  expect(policy?.mayPublish).toBe(false);
  const { roomAlias: wall, policy: open2 } = await client.join("wall:a");
  expect(open2?.mayPublish).toBe(true);
  expect(await joinCode(client, "chat:a")).toBe("PERMISSION_DENIED");
  await client.ack(client.publish({ alias: wall, payload: "hello" }));
  for (const target of [{ alias: news }, { room: "news:b" }, { room: "live:a" }]) {
    const error = await client.error(client.publish({ ...target, payload: "x" }));
    expect(error.code).toBe("PERMISSION_DENIED");
  }
  const requestId = client.nextId();
  const target = { $case: "room" as const, value: "chat:a" };
  client.send({ $case: "history", value: { requestId, target, cursor: undefined, limit: 5 } });
  expect((await client.error(requestId)).code).toBe("PERMISSION_DENIED");
});

test("a class that closes ends what anonymous members have there, and leaves the others", async () => {
  const gateway = await testGateway({ options, parts: { authenticate } });
  await gateway.putClass("news", open("news", AnonymousAccess.READ));
  await gateway.putClass("wall", open("wall", AnonymousAccess.PUBLISH));
  const client = await gateway.client();
  const [news, wall] = [await client.join("news:a"), await client.join("wall:a")];
  await gateway.putClass("news", open("news", AnonymousAccess.NONE));
  const left = await client.next("left");
  expect(left).toEqual({ requestId: 0, roomAlias: news.roomAlias, code: "PERMISSION_DENIED" });
  await gateway.putClass("wall", open("wall", AnonymousAccess.READ));
  const change = await client.next("roomPolicyChanged", (v) => v.roomAlias === wall.roomAlias);
  expect(change.policy?.mayPublish).toBe(false);
});

test("an anonymous client does not become somebody by Refresh", async () => {
  const gateway = await testGateway({ options, parts: { authenticate } });
  await gateway.putClass("news", open("news", AnonymousAccess.READ));
  const client = await gateway.client();
  const requestId = client.nextId();
  client.send({ $case: "refresh", value: { requestId, token: anna } });
  expect((await client.error(requestId)).code).toBe("TOKEN_INVALID");
});

test("isPermitted: the class counts for those without a token alone", () => {
  const nobody = makeIdentity({ tenant: "a", user: "", grants: [], isAnonymous: true });
  const user = makeIdentity({ tenant: "a", user: "u", grants: [] });
  const { NONE, READ, PUBLISH } = AnonymousAccess;
  const can = (access: number, identity = nobody) =>
    Object.values(Action).filter((action) =>
      isPermitted(identity, action, "x:y", { anonymousAccess: access as AnonymousAccess }),
    );
  const reading = [Action.JOIN, Action.HISTORY, Action.PRESENCE];
  expect([can(NONE), can(0), can(99), can(PUBLISH, user)]).toEqual([[], [], [], []]);
  expect(can(READ)).toEqual(reading);
  expect(can(PUBLISH)).toEqual([Action.JOIN, Action.PUBLISH, Action.HISTORY, Action.PRESENCE]);
});

test.each<[string, object, string]>([
  ["our own page", { origin: "https://app.example" }, "t"],
  ["our own page, by http", { origin: "http://App.Example" }, "t"],
  ["a page that is listed", { origin: "https://www.example" }, "t"],
  ["another page", { origin: "https://evil.example" }, ""],
  ["a page of another port", { origin: "https://app.example:8443" }, ""],
  ["no page", { origin: "" }, ""],
  ["a page without an origin", { origin: "null" }, ""],
  ["a page that is let in by *", { allowed: ["*"], origin: "https://evil.example" }, ""],
  ["another cookie", { cookie: "xsid=u; sidx=v" }, ""],
  ["several cookies", { cookie: "a=b; sid=t; sid=u" }, "t"],
  ["a quoted one", { cookie: 'sid="t"' }, "t"],
  ["one with an equals sign", { cookie: "sid=t==" }, "t=="],
  ["one without a value", { cookie: "sid=" }, ""],
  ["words", { cookie: "sid; =t;;" }, ""],
  ["the option not set", { name: "" }, ""],
])("cookieToken: %s", (_title, given, expected) => {
  const base = { host: "app.example", origin: "https://app.example", cookie: "sid=t" };
  const { name, allowed, ...request } = {
    ...{ name: "sid", allowed: ["https://www.example"], ...base, ...given },
  };
  expect(cookieToken(request, name, allowed)).toBe(expected);
});

test("a cookie is the token of a Hello without one, for a page of ours", async () => {
  const gateway = await testGateway({
    options: { authCookie: "sid", allowedOrigins: ["https://app.example", "*"] },
    parts: { authenticate },
  });
  const hello = async (origin: string | undefined, token: string) => {
    const headers = { cookie: `sid=${anna}` };
    const client = new RawClient(gateway.port, { headers, ...(origin && { origin }) });
    await client.opened();
    client.hello({ token });
    const user = client.next("welcome").then((welcome) => welcome.user);
    return Promise.race([user.catch(() => client.closed), client.closed]).then((answer) => {
      client.socket.terminate();
      return typeof answer === "string" ? answer : answer.reason;
    });
  };
  expect(await hello("https://app.example", "")).toBe("anna");
  expect(await hello(`http://127.0.0.1:${gateway.port}`, "")).toBe("anna");
  expect(await hello("https://evil.example", "")).toBe("TOKEN_INVALID");
  expect(await hello(undefined, "")).toBe("TOKEN_INVALID");
  expect(await hello("https://app.example", "another-token-123456")).toBe("TOKEN_INVALID");
});
