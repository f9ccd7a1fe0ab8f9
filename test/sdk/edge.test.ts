/** Builds that are too old, gateways that are full, and rates, by scripted gateways. */
import { expect, test } from "vitest";
import type { VersionMismatch as Wire } from "../../proto/gen/tidegate/client/v1/version.ts";
import { redirectUrl } from "../../sdk/typescript/dialler.ts";
import type { TidegateError } from "../../sdk/typescript/error.ts";
import type { VersionMismatch } from "../../sdk/typescript/version.ts";
import { FakeClock } from "./fake-clock.ts";
import { joined } from "./fake-gateway.ts";
import { makeClient, openScene, startGateway, statusOf } from "./scene.ts";

function mismatch(action: number, rest: Partial<Wire> = {}) {
  const value = {
    ...{ action, version: "1.0.0", required: ">=2", message: "old", room: "", gate: "g" },
    ...{ downloadUrl: "https://example.org/app", ...rest },
  };
  return { $case: "versionMismatch", value: value as Wire } as const;
}

test("Hello: has the attributes and the region of the options", async () => {
  const gateway = await startGateway();
  const client = makeClient(gateway.url, { attributes: { plan: "pro" }, region: "eu-1" });
  void client.open().catch(() => {});
  const hello = await (await gateway.accept()).take("hello");
  expect(hello).toMatchObject({ attributes: [{ key: "plan", value: "pro" }], region: "eu-1" });
});

test("VersionMismatch: told, kept while it is so, and of a room only told", async () => {
  const { client, connection } = await openScene();
  const told: VersionMismatch[] = [];
  const next = () =>
    new Promise<VersionMismatch>((resolve) => {
      const stop = client.onVersionMismatch((each) => {
        stop();
        told.push(each);
        resolve(each);
      });
    });
  let coming = next();
  connection.send(mismatch(2));
  expect(await coming).toMatchObject({ action: "WARN", required: ">=2", gate: "g" });
  expect(client.versionMismatch).toEqual(told[0]);
  coming = next();
  connection.send(mismatch(4, { room: "chat:a" }));
  expect(await coming).toMatchObject({ action: "REFUSE", room: "chat:a" });
  expect(client.versionMismatch?.action).toBe("WARN");
  coming = next();
  connection.send(mismatch(9)); // of a later version
  expect((await coming).action).toBe("WARN");
  coming = next();
  connection.send(mismatch(1));
  expect((await coming).action).toBe("ALLOW");
  expect(client.versionMismatch).toBe(null);
});

test("VERSION_REFUSED: connect rejects with the build that is wanted, and does not come again", async () => {
  const gateway = await startGateway();
  const client = makeClient(gateway.url);
  const refused = client.open().catch((error: TidegateError) => error);
  const connection = await gateway.accept();
  await connection.take("hello");
  connection.send(mismatch(4));
  connection.error(0, "VERSION_REFUSED");
  connection.close(4507);
  expect(await refused).toMatchObject({
    code: "VERSION_REFUSED",
    versionMismatch: { action: "REFUSE", required: ">=2", downloadUrl: "https://example.org/app" },
  });
  expect(client.status.state).toBe("closed");
});

test("Redirect: followed once, and only there; after a break back to the first", async () => {
  const clock = new FakeClock();
  const [first, second] = await Promise.all([startGateway(), startGateway()]);
  const client = makeClient(first.url, {}, clock);
  const opened = client.open();
  const full = await first.accept();
  await full.take("hello");
  const waiting = statusOf(client, "reconnecting");
  full.send({ $case: "redirect", value: { target: second.url, delayMs: 700 } });
  full.error(0, "TOO_MANY_CONNECTIONS", { retryable: true, retryAfterMs: 5000 });
  full.close(1013);
  expect((await waiting).delayMs).toBe(700); // its own time, not that for coming back
  clock.advance(700);
  const connection = await second.accept();
  await connection.welcome();
  await opened;
  expect(first.connectionCount).toBe(1);
  const broken = statusOf(client, "reconnecting");
  connection.cut();
  await broken;
  clock.advance(0);
  await (await first.accept()).welcome();
  expect(second.connectionCount).toBe(1);
});

test("Redirect: one hop; who is sent on from there comes back", async () => {
  const gateways = await Promise.all([startGateway(), startGateway(), startGateway()]);
  const [first, second, third] = gateways;
  const client = makeClient(first.url);
  const opened = client.open();
  for (const [from, to] of [
    [first, second],
    [second, third],
  ] as const) {
    const full = await from.accept();
    await full.take("hello");
    full.send({ $case: "redirect", value: { target: to.url, delayMs: 0 } });
    full.close(1013);
  }
  await (await first.accept()).welcome();
  await opened;
  expect(gateways.map((each) => each.connectionCount)).toEqual([2, 1, 0]);
});

test("Redirect: a dead target costs one try", async () => {
  const [first, second] = await Promise.all([startGateway(), startGateway()]);
  const client = makeClient(first.url);
  const opened = client.open();
  const full = await first.accept();
  await full.take("hello");
  await second.stop();
  full.send({ $case: "redirect", value: { target: second.url, delayMs: 0 } });
  full.close(1013);
  await (await first.accept()).welcome();
  await opened;
});

test("redirectUrl: never from TLS to none, and to nothing that is no URL", () => {
  expect(redirectUrl("wss://b/ws", "wss://a/ws", "wss://a/ws")).toBe("wss://b/ws");
  expect(redirectUrl("ws://b/ws", "wss://a/ws", "wss://a/ws")).toBe(null);
  expect(redirectUrl("wss://c/ws", "wss://b/ws", "wss://a/ws")).toBe(null);
  for (const target of ["", "http://b/ws", "wss://", "javascript:alert(1)"]) {
    expect(redirectUrl(target, "ws://a/ws", "ws://a/ws")).toBe(null);
  }
});

test("RATE_LIMITED: a join waits as long as it is told, and goes out again", async () => {
  const clock = new FakeClock();
  const { client, connection } = await openScene({}, clock);
  const joining = client.join("chat:a");
  const { requestId } = await connection.take("join");
  const limit = { limit: "frames-per-second", limitValue: 5, retryable: true, retryAfterMs: 300 };
  connection.error(requestId, "RATE_LIMITED", limit);
  const ping = client.ping(); // its answer is read after the error
  connection.send({
    $case: "pong",
    value: { id: (await connection.take("ping")).id, serverTimeUs: 1n },
  });
  await ping;
  clock.advance(299);
  expect(connection.unreadCount).toBe(0);
  clock.advance(1);
  const again = await connection.take("join");
  connection.send(joined(again.requestId, "chat:a", 1));
  expect((await joining).name).toBe("chat:a");
});

test("RATE_LIMITED of the connection: told, and not taken for why it ended later", async () => {
  const { client, connection } = await openScene();
  const told = new Promise<TidegateError>((resolve) => client.onError(resolve));
  const limit = {
    limit: "frames-per-second",
    limitValue: 5,
    retryable: true,
    retryAfterMs: 60_000,
  };
  connection.error(0, "RATE_LIMITED", limit);
  expect(await told).toMatchObject({ code: "RATE_LIMITED", limit: "frames-per-second" });
  const broken = statusOf(client, "reconnecting");
  connection.cut();
  expect(await broken).toMatchObject({ delayMs: 0, error: { code: "CONNECT_FAILED" } });
});

test("BLOCKED: comes back when it may, not before", async () => {
  const clock = new FakeClock();
  const { client, connection } = await openScene({}, clock);
  const broken = statusOf(client, "reconnecting");
  connection.error(0, "BLOCKED", { retryable: true, retryAfterMs: 60_000 });
  connection.close(4009);
  expect(await broken).toMatchObject({ delayMs: 60_000, error: { code: "BLOCKED" } });
});
