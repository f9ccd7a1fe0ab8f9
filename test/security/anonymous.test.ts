/**
 * What can be done with session tokens where nobody has a name: guessed, forged, shown by people
 * with a token and the other way round, shown often, and stolen.
 */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { authenticateStatic } from "../../gateway/auth/static-tokens.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import { AnonymousAccess, RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import { RawClient } from "../gateway/raw-client.ts";
import { putLimit, seatCount, tryJoin } from "../gateway/seats/quota-tools.ts";
import { testGateway } from "../gateway/start-gateway.ts";

const [anna, nameless] = ["a-long-random-string-of-anna", "a-long-random-string-of-nobody"];
const authenticate = authenticateStatic(
  JSON.stringify({ tokens: [{ token: anna, user: "anna" }, { token: nameless }] }),
);

/** A gateway that lets everybody into "wall", with `perAddress` connections from each address. */
async function openGateway(perAddress: number) {
  const options = { anonymousTenant: "default" };
  const gateway = await testGateway({ options, parts: { authenticate } });
  const wall = defaultRoomClass("tenants/default/roomClasses/wall", RoomMode.DURABLE);
  await gateway.putClass("wall", {
    ...{ ...wall, anonymousAccess: AnonymousAccess.PUBLISH, memberCountMax: 1 },
  });
  await putLimit(gateway.bus, "connections-per-ip", perAddress);
  await putLimit(gateway.bus, "connections-per-user", 2);
  /** Connects from 127.0.0.<host>; what becomes of its Hello. */
  const come = async (host: number, hello: Partial<Hello> = {}) => {
    const client = new RawClient(gateway.port, { localAddress: `127.0.0.${host}` });
    onTestFinished(() => client.socket.terminate());
    await client.opened();
    client.hello(hello);
    const welcome = await client.next("welcome").catch(() => null);
    const code = welcome === null ? (await client.closed).code : 0;
    return { client, code, sessionToken: Buffer.from(welcome?.sessionToken ?? []) };
  };
  const isOpen = async ({ client }: { client: RawClient }) => {
    await client.settle();
    return client.socket.readyState === client.socket.OPEN;
  };
  await expect.poll(async () => (await come(9)).code).toBe(0); // the class is known
  return { ...gateway, come, isOpen };
}

test("guessed and forged: the session's number is no secret, and is worth nothing unsigned", async () => {
  const { come, isOpen } = await openGateway(3);
  const victim = await come(1);
  const own = await come(2);
  const attempts: Buffer[] = [
    Buffer.alloc(33, 1),
    randomBytes(33),
    victim.sessionToken.subarray(1),
  ];
  // The victim's session, as it can be computed from one's own, with one's own signature.
  attempts.push(
    Buffer.concat([victim.sessionToken.subarray(0, 17), own.sessionToken.subarray(17)]),
  );
  for (const at of [0, 1, 16, 17, 32]) {
    const changed = Buffer.from(victim.sessionToken);
    changed[at] = (changed[at] ?? 0) ^ 1;
    attempts.push(changed);
  }
  for (const [i, sessionToken] of attempts.entries()) {
    await come(20 + i, { sessionToken, dialCount: 99 });
    expect([i, await isOpen(victim)]).toEqual([i, true]);
  }
});

test("a token with a name, one without, and none are three: none shows another's", async () => {
  const { come, isOpen } = await openGateway(3);
  const all = [{ token: "" }, { token: anna }, { token: nameless }];
  const victims = [];
  for (const [i, hello] of all.entries()) victims.push(await come(i + 1, hello));
  for (const [i, victim] of victims.entries()) {
    for (const [j, hello] of all.entries()) {
      if (i === j) continue;
      const { sessionToken } = victim;
      const thief = await come(30 + 3 * i + j, { ...hello, sessionToken, dialCount: 9 });
      expect([i, j, thief.code, await isOpen(victim)]).toEqual([i, j, 0, true]);
      expect(thief.sessionToken.equals(sessionToken)).toBe(false);
      await thief.client.close();
    }
  }
});

test("shown many times at once: one connection is left, and one place is taken", async () => {
  const { come, isOpen, bus } = await openGateway(1);
  const first = await come(1);
  const { sessionToken } = first;
  const before = await seatCount(bus);
  const crowd = await Promise.all(
    Array.from({ length: 12 }, (_, i) => come(1, { sessionToken, dialCount: i + 2 })),
  );
  expect((await first.client.closed).code).toBe(4500);
  const ends = crowd.filter(({ code }) => code === 0).map(({ client }) => client);
  await expect
    .poll(() => ends.filter(({ socket }) => socket.readyState === socket.OPEN).length)
    .toBe(1);
  expect(await seatCount(bus)).toBe(before);
  const left = crowd.find(({ client }) => client.socket.readyState === client.socket.OPEN);
  expect(left !== undefined && (await isOpen(left))).toBe(true);
  expect((await come(1)).code).toBe(4008); // a stranger from there finds it full
});

test("stolen: it moves the one place in a room, and ends who had it; it brings no membership", async () => {
  const { come, isOpen } = await openGateway(3);
  const victim = await come(1);
  const { roomAlias } = await victim.client.join("wall:a");
  const stranger = await come(3);
  expect((await tryJoin(stranger.client, "wall:a"))?.code).toBe("ROOM_FULL");
  const thief = await come(2, { sessionToken: victim.sessionToken, dialCount: 2 });
  expect([thief.code, await isOpen(victim)]).toEqual([0, true]); // another address: its own place
  const publish = thief.client.publish({ alias: roomAlias, seq: 1, payload: "x" });
  expect((await thief.client.error(publish)).code).toBe("NOT_JOINED");
  expect(await tryJoin(thief.client, "wall:a")).toBeNull();
  expect(await victim.client.closed).toEqual({ code: 4500, reason: "TAKEN_OVER" });
  expect((await tryJoin(stranger.client, "wall:a"))?.code).toBe("ROOM_FULL");
});
