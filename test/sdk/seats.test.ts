/** What a client does about quotas and seats: by a scripted gateway, and by a real one. */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { connect } from "../../sdk/typescript/index.ts";
import { authenticateByName, putClass, putLimit, until } from "../gateway/seats/quota-tools.ts";
import { testGateway } from "../gateway/start-gateway.ts";
import { FakeClock } from "./fake-clock.ts";
import { makeClient, startGateway, statusOf } from "./scene.ts";

test("seats: the last token is shown at each dial, and dials are counted", async () => {
  const clock = new FakeClock();
  const gateway = await startGateway();
  const client = makeClient(gateway.url, {}, clock);
  const opened = client.open();
  let connection = await gateway.accept();
  expect(await connection.take("hello")).toMatchObject({
    ...{ sessionToken: Buffer.alloc(0), dialCount: 1 },
  });
  const tokens = [randomBytes(33), randomBytes(33)];
  for (const [i, sessionToken] of tokens.entries()) {
    connection.sendWelcome({ sessionToken });
    await opened;
    const waiting = statusOf(client, "reconnecting");
    connection.cut();
    clock.advance((await waiting).delayMs);
    connection = await gateway.accept();
    expect(await connection.take("hello")).toMatchObject({ sessionToken, dialCount: i + 2 });
  }
});

test("TAKEN_OVER: ends the client with that error, and it dials no more", async () => {
  const gateway = await startGateway();
  const client = makeClient(gateway.url);
  const opened = client.open();
  const connection = await gateway.accept();
  await connection.welcome();
  await opened;
  const closed = statusOf(client, "closed");
  connection.error(0, "TAKEN_OVER");
  connection.close(4500);
  expect((await closed).error).toMatchObject({ code: "TAKEN_OVER", retryable: false });
  await expect(client.publish("chat:a", "x")).rejects.toMatchObject({ code: "TAKEN_OVER" });
});

test("a real gateway at its limits: a client that broke is back in, refusals say what", async () => {
  const options = { seatHoldMs: 60_000 };
  const { bus, port } = await testGateway({ parts: { authenticate: authenticateByName }, options });
  await putLimit(bus, "connections-per-user", 1);
  await putClass(bus, "duo", RoomMode.DURABLE, 1);
  const url = `ws://127.0.0.1:${port}/ws`;
  const client = await connect(url, { token: "ann" });
  onTestFinished(() => client.close());
  const room = await client.join("duo:a");
  for (let round = 0; round < 3; round += 1) {
    const before = client.status;
    client.dropConnection();
    await until(() => client.status.state === "open" && client.status !== before);
    await room.publish(randomBytes(8)); // it is in again
  }
  const second = connect(url, { token: "ann", connectTimeoutMs: 400 });
  await expect(second).rejects.toMatchObject({
    cause: { code: "LIMIT_REACHED", limit: "connections-per-user", limitValue: 1 },
  });
  const other = await connect(url, { token: "bob" });
  onTestFinished(() => other.close());
  const full = { code: "ROOM_FULL", limit: "room-members", limitValue: 1, retryAfterMs: 2000 };
  await expect(other.join("duo:a")).rejects.toMatchObject(full);
});
