/** When a client asks for a token, and what it does when one ends, by a scripted gateway. */
import { expect, test } from "vitest";
import type { TidegateError } from "../../sdk/typescript/error.ts";
import { FakeClock } from "./fake-clock.ts";
import { NO_PINGS } from "./fake-gateway.ts";
import { makeClient, startGateway, statusOf } from "./scene.ts";

/** A client whose tokens are "t1", "t2" and so on; `give` may hold one back or refuse it. */
async function openClient(expiresInMs: number, random = 0) {
  const clock = new FakeClock();
  const gateway = await startGateway();
  const asked: string[] = [];
  const control = { give: (token: string): string | Promise<string> => token };
  const token = () => control.give(`t${asked.push("") + 0}`);
  const client = makeClient(gateway.url, { token }, clock, random);
  const errors: string[] = [];
  client.onError((error) => errors.push(error.code));
  const opened = client.open();
  const connection = await gateway.accept();
  const hello = await connection.welcome({ ...NO_PINGS, tokenExpiresInMs: expiresInMs });
  await opened;
  return { clock, gateway, asked, control, client, connection, hello, errors };
}

function expiring(expiresInMs = 1000, revoked = false) {
  return { $case: "tokenExpiring", value: { expiresInMs, revoked } } as const;
}

test("asks again after 70 % of a token's life, and of the next one's", async () => {
  const { clock, asked, connection, hello } = await openClient(10_000);
  expect(hello.token).toBe("t1");
  clock.advance(6999);
  expect(asked.length).toBe(1);
  clock.advance(1);
  const refresh = await connection.take("refresh");
  expect(refresh.token).toBe("t2");
  const value = { requestId: refresh.requestId, tokenExpiresInMs: 20_000 };
  connection.send({ $case: "refreshed", value });
  connection.send(expiring());
  expect((await connection.take("refresh")).token).toBe("t3");
  clock.advance(60_000);
  expect(asked.length).toBe(3); // unanswered: not asked again
});

test("those who came together ask apart: up to 85 %", async () => {
  const { clock, asked } = await openClient(10_000, 0.999999);
  clock.advance(8499);
  expect(asked.length).toBe(1);
  clock.advance(1);
  expect(asked.length).toBe(2);
});

test("a token that never ends, or in months, is not asked for again at once", async () => {
  const { clock, asked } = await openClient(0);
  clock.advance(2 ** 31);
  expect(asked.length).toBe(1);
  const months = await openClient(2 ** 32 - 1);
  months.clock.advance(2 ** 31 - 2); // the longest timer there is
  expect(months.asked.length).toBe(1);
  months.clock.advance(1);
  expect(months.asked.length).toBe(2);
});

test("TokenExpiring: asks at once, and once however often it is said", async () => {
  const { asked, control, connection } = await openClient(0);
  const { promise, resolve } = Promise.withResolvers<string>();
  control.give = () => promise;
  connection.sendAll([expiring(), expiring(500, true), expiring(100)]);
  resolve("fresh");
  expect((await connection.take("refresh")).token).toBe("fresh");
  expect(asked.length).toBe(2);
});

test("a break while the function runs: one call, and the next connection shows it", async () => {
  const { clock, gateway, asked, control, client, connection } = await openClient(0);
  const { promise, resolve } = Promise.withResolvers<string>();
  const running = new Promise<void>((called) => {
    control.give = () => {
      called();
      return promise;
    };
  });
  connection.send(expiring());
  await running;
  const broken = statusOf(client, "reconnecting");
  connection.cut();
  await broken;
  clock.advance(0);
  resolve("fresh");
  const next = await gateway.accept();
  const open = statusOf(client, "open");
  expect((await next.welcome(NO_PINGS)).token).toBe("fresh");
  await open;
  client.ping().catch(() => {}); // sent after whatever a refresh would send
  await next.take("ping");
  expect(asked.length).toBe(2);
});

test("a refused Refresh, and a function that throws, are told and tried again", async () => {
  const { clock, asked, control, connection, errors, client } = await openClient(0, 0.999999);
  connection.send(expiring());
  const { requestId } = await connection.take("refresh");
  control.give = () => {
    throw new Error("issuer is down");
  };
  const told = new Promise<TidegateError>((resolve) => client.onError(resolve));
  connection.error(requestId, "TOKEN_INVALID");
  expect((await told).code).toBe("TOKEN_INVALID");
  clock.advance(248);
  expect(asked.length).toBe(2);
  clock.advance(1);
  expect(asked.length).toBe(3);
  await new Promise<void>((resolve) => client.onError(() => resolve()));
  expect(errors).toEqual(["TOKEN_INVALID", "CONNECT_FAILED"]);
  control.give = (token) => token;
  clock.advance(498);
  expect(asked.length).toBe(3);
  clock.advance(1);
  expect((await connection.take("refresh")).token).toBe("t4");
});

test("TOKEN_EXPIRED: a function is asked, and the client comes back", async () => {
  const { clock, gateway, client, connection } = await openClient(0);
  const broken = statusOf(client, "reconnecting");
  connection.error(0, "TOKEN_EXPIRED", { retryable: true });
  connection.close(4007);
  expect((await broken).error.code).toBe("TOKEN_EXPIRED");
  clock.advance(0);
  expect((await (await gateway.accept()).welcome()).token).toBe("t2");
});

test("TOKEN_EXPIRED: a plain token would be refused again, so that is the end", async () => {
  const gateway = await startGateway();
  const client = makeClient(gateway.url, { token: "plain" });
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome({ tokenExpiresInMs: 1 });
  await opened;
  const ended = statusOf(client, "closed");
  connection.send(expiring(0)); // nothing can be done about it
  connection.error(0, "TOKEN_EXPIRED", { retryable: true });
  connection.close(4007);
  expect((await ended).error?.code).toBe("TOKEN_EXPIRED");
});

test("TOKEN_REVOKED: the end, whoever has tokens", async () => {
  const { client, connection } = await openClient(0);
  const ended = statusOf(client, "closed");
  connection.error(0, "TOKEN_REVOKED");
  connection.close(4506);
  expect((await ended).error?.code).toBe("TOKEN_REVOKED");
});

test("a function that hangs fails the try, not the client", async () => {
  const { clock, gateway, control, client, connection } = await openClient(0);
  control.give = () => new Promise(() => {});
  const broken = statusOf(client, "reconnecting");
  connection.cut();
  await broken;
  const failed = statusOf(client, "reconnecting");
  clock.advance(0);
  clock.advance(10_000);
  expect((await failed).error.message).toMatch(/CONNECT_FAILED.*no token: none within 10000 ms/);
  control.give = (token) => token;
  clock.advance(0);
  expect((await (await gateway.accept()).welcome()).token).toBe("t3");
});
