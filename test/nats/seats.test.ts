/**
 * Seats over real gateways on three NATS servers, without any control plane: races, kills, lost
 * Welcomes, tokens shown twice. What must hold is counted in sockets that are open, not in records.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type NatsBus, openNatsBus } from "../../bus/nats/nats-bus.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import {
  type Attempt,
  attempt,
  putClass,
  putLimit,
  seatCounts,
  tokenOf,
  tryJoin,
  until,
} from "../gateway/seats/quota-tools.ts";
import { type Server, startServer } from "../start-server.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tidegate-seats-"));
const tokensFile = path.join(folder, "tokens.json");
let nats: TestNats;
let bus: NatsBus;
/** Four gateways that no test kills. */
let gateways: Server[] = [];

/** The bearer token of a user. */
const bearer = (user: string) => `bearer-token-of-${user}`;

beforeAll(async () => {
  const users = Array.from({ length: 1500 }, (_, i) => `u${i}`);
  const tokens = users.map((user) => ({ token: bearer(user), user }));
  writeFileSync(tokensFile, JSON.stringify({ tokens }));
  nats = await startTestNats(3);
  bus = await openNatsBus({
    servers: nats.urls,
    name: "test",
    parts: "controlplane",
    replicaCount: 3,
  });
  gateways = await Promise.all([0, 1, 2, 3].map(() => startGateway()));
}, 120_000);

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.close()));
  await bus?.close();
  await nats?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function startGateway(env: Record<string, string> = {}): Promise<Server> {
  return startServer({
    env: {
      ...{ PARTS: "gateway", NATS_URL: nats.urls.join(","), REPLICA_COUNT: "3" },
      ...{ AUTH: "static", AUTH_TOKENS_FILE: tokensFile, LOG_LEVEL: "warn" },
      HANDSHAKE_MS: "60000", // a thousand clients of one busy process
      ...env,
    },
  });
}

/** A gateway that the test may kill. */
async function startMortal(): Promise<Server> {
  const gateway = await startGateway();
  onTestFinished(() => gateway.close());
  return gateway;
}

/** Until all gateways know a limit: a Welcome says it. */
async function isKnown(user: string, servers: readonly Server[], test: (each: Attempt) => boolean) {
  for (const server of servers) {
    await until(async () => {
      const each = await attempt(server.port, { token: bearer(user) });
      await each.client.close();
      return test(each);
    });
  }
}

async function setUserLimit(value: number, servers: readonly Server[], witness: string) {
  await putLimit(bus, "connections-per-user", value);
  await isKnown(witness, servers, ({ client }) => {
    return client.welcome?.limits?.userConnectionCountMax === BigInt(value);
  });
}

const isOpen = ({ client }: Attempt) => client.socket.readyState === client.socket.OPEN;

test("1 000 racing connects through 4 gateways with a limit of 5 admit exactly 5", async () => {
  await setUserLimit(5, gateways, "u1400");
  const all = await Promise.all(
    Array.from({ length: 1000 }, (_, i) => {
      return attempt(gateways[i % 4]?.port ?? 0, { token: bearer("u0") });
    }),
  );
  expect(all.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(5);
  expect(all.filter(isOpen)).toHaveLength(5);
  const refused = all.filter(({ isAdmitted }) => !isAdmitted);
  expect(new Set(refused.map(({ error }) => error?.code))).toEqual(new Set(["LIMIT_REACHED"]));
  for (const { client } of all) client.socket.close();
}, 120_000);

test("kill -9: users at their limit and a full room get back in at once, twice, and nobody else", async () => {
  const size = 40;
  const [first, second, third] = await Promise.all([startMortal(), startMortal(), startMortal()]);
  const servers = [first, second, third, ...gateways];
  await putClass(bus, "game", RoomMode.DURABLE, size);
  await setUserLimit(1, servers, "u1401");
  const users = Array.from({ length: size }, (_, i) => `u${100 + i}`);
  const enter = async (server: Server, tokens: readonly Buffer[], dialCount: number) => {
    return Promise.all(
      users.map(async (user, i) => {
        const hello = { token: bearer(user), sessionToken: tokens[i], dialCount };
        const each = await attempt(server.port, hello);
        const refusal = each.isAdmitted ? await tryJoin(each.client, "game:full") : each.error;
        return { ...each, refusal };
      }),
    );
  };
  const strangers: Attempt[] = [];
  let isOver = false;
  /** Others want in all the time: the same users without their token, and new members. */
  const press = async () => {
    let count = 0;
    while (!isOver) {
      const server = gateways[count % 4];
      const user = users[count % size] ?? "";
      count += 1;
      strangers.push(await attempt(server?.port ?? 0, { token: bearer(user) }));
      const outsider = await attempt(server?.port ?? 0, { token: bearer(`u${200 + (count % 9)}`) });
      if (outsider.isAdmitted) {
        expect(await tryJoin(outsider.client, "game:full")).toMatchObject({ code: "ROOM_FULL" });
      }
      await outsider.client.close();
    }
  };
  const inside = await enter(
    first,
    users.map(() => Buffer.alloc(0)),
    1,
  );
  expect(inside.map(({ refusal }) => refusal)).toEqual(users.map(() => null));
  const pressing = press();
  const tokens = inside.map(({ client }) => tokenOf(client));
  await first.kill();
  const moved = await enter(second, tokens, 2);
  expect(moved.map(({ refusal }) => refusal)).toEqual(users.map(() => null));
  // Their Welcome is lost: they come to another gateway, with the token they had before.
  const again = await enter(third, tokens, 3);
  expect(again.map(({ refusal }) => refusal)).toEqual(users.map(() => null));
  const codes = await Promise.all(moved.map(({ client }) => client.closed));
  expect(codes.map(({ code }) => code)).toEqual(users.map(() => 4500));
  await third.kill();
  const last = await enter(gateways[0] ?? first, tokens, 4);
  expect(last.map(({ refusal }) => refusal)).toEqual(users.map(() => null));
  isOver = true;
  await pressing;
  expect(strangers.length).toBeGreaterThan(0);
  expect(strangers.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(0);
  const counts = Object.entries(await seatCounts(bus));
  const inRoom = counts.filter(([key]) => key.startsWith("room.")).map(([, count]) => count);
  expect(inRoom).toEqual([size]);
  await putClass(bus, "game", RoomMode.DURABLE, 0);
  for (const { client } of last) client.socket.close();
}, 120_000);

test("a token shown on two gateways at once moves one seat: one connection is left open", async () => {
  await setUserLimit(1, gateways, "u1402");
  for (let round = 0; round < 10; round += 1) {
    const token = bearer(`u${300 + round}`);
    const first = await attempt(gateways[0]?.port ?? 0, { token });
    const sessionToken = tokenOf(first.client);
    const raced = await Promise.all(
      gateways.map(({ port }, i) => {
        return attempt(port, { token, sessionToken, dialCount: round % 2 === 0 ? 0 : 2 + i });
      }),
    );
    await until(() => [first, ...raced].filter(isOpen).length <= 1);
    const open = [first, ...raced].filter(isOpen);
    expect(open).toHaveLength(1);
    const [winner] = open;
    await winner?.client.settle();
    if (round % 2 === 1) expect(raced.indexOf(winner ?? first)).toBe(3); // the newest dial
    for (const each of [first, ...raced]) {
      if (each !== winner) expect((await each.client.closed).code).toBe(4500);
    }
    expect((await attempt(gateways[1]?.port ?? 0, { token })).code).toBe(4008);
    await winner?.client.close();
  }
}, 120_000);

test("rooms of a tenant: one with members on two gateways counts twice", async () => {
  await putLimit(bus, "rooms", 4);
  await isKnown("u1410", gateways, ({ client }) => {
    return client.welcome?.limits?.tenantRoomCountMax === 4n;
  });
  const members = await Promise.all(
    gateways.slice(0, 3).map(({ port }, i) => attempt(port, { token: bearer(`u${1411 + i}`) })),
  );
  const [first, second, third] = members.map(({ client }) => client);
  if (first === undefined || second === undefined || third === undefined) throw new Error("three");
  for (const client of [first, second]) {
    for (const room of ["live:r1", "live:r2"]) expect(await tryJoin(client, room)).toBe(null);
  }
  const refused = { code: "LIMIT_REACHED", limit: "rooms", limitValue: 4n };
  for (const room of ["live:r1", "live:r3"]) {
    expect(await tryJoin(third, room)).toMatchObject(refused);
  }
  await second.close();
  await until(async () => (await tryJoin(third, "live:r1")) === null);
  for (const client of [first, third]) client.socket.close();
  await Promise.all([first, third].map(({ closed }) => closed));
  await putLimit(bus, "rooms", 0);
}, 60_000);

test("connections of a tenant: never more than the limit, not refused before 99 % of it", async () => {
  const limit = 500;
  await putLimit(bus, "connections-per-user", 0);
  const doomed = await startMortal();
  const servers = [doomed, ...gateways];
  await putLimit(bus, "connections", limit);
  await isKnown("u1403", servers, ({ client }) => {
    return client.welcome?.limits?.tenantConnectionCountMax === BigInt(limit);
  });
  const all: Attempt[] = [];
  for (let i = 0; i < 600; i += 20) {
    const some = Array.from({ length: 20 }, (_, k) => {
      const server = servers[(i + k) % servers.length];
      return attempt(server?.port ?? 0, { token: bearer(`u${i + k}`) });
    });
    all.push(...(await Promise.all(some)));
  }
  const admitted = all.filter(({ isAdmitted }) => isAdmitted);
  expect(admitted.length).toBeLessThanOrEqual(limit);
  expect(admitted.length).toBeGreaterThanOrEqual(limit * 0.99);
  // Those of a killed gateway are in again at once; newcomers find no place meanwhile.
  const lost = admitted.filter(({ client }) => client.socket.url.includes(`:${doomed.port}/`));
  expect(lost.length).toBeGreaterThan(50);
  await doomed.kill();
  await Promise.all(lost.map(({ client }) => client.closed));
  const newcomers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => {
      return attempt(gateways[i % 4]?.port ?? 0, { token: bearer(`u${700 + i}`) });
    }),
  );
  const early = newcomers.filter(({ isAdmitted }) => isAdmitted).length;
  expect(early).toBeLessThanOrEqual(limit * 0.01);
  const back = await Promise.all(
    lost.map(({ client }, i) => {
      const user = all.findIndex((each) => each.client === client);
      const hello = { token: bearer(`u${user}`), sessionToken: tokenOf(client), dialCount: 2 };
      return attempt(gateways[i % 4]?.port ?? 0, hello);
    }),
  );
  const returned = back.filter(({ isAdmitted }) => isAdmitted).length;
  expect(returned + early).toBeGreaterThanOrEqual(lost.length);
  const open = [...all, ...newcomers, ...back].filter(isOpen);
  expect(open.length).toBeLessThanOrEqual(limit);
  for (const { client } of open) client.socket.close();
  await Promise.all(open.map(({ client }) => client.closed));
  await putLimit(bus, "connections", 0);
}, 120_000);
