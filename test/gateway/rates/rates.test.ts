/** Rates of tenants and classes on a running gateway: what is refused, what is not, and order. */
import { expect, test } from "vitest";
import { Rates } from "../../../gateway/rates/rates.ts";
import { NO_RATES } from "../../../gateway/rates/tenant-rates.ts";
import { RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../../proto/room-class.ts";
import { attempt, authenticateByName, putLimit } from "../seats/quota-tools.ts";
import { testGateway } from "../start-gateway.ts";

const byName = { parts: { authenticate: authenticateByName } };

test("frames-per-second: a burst of two seconds, then RATE_LIMITED with limit, value and wait", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "frames-per-second", 1);
  const { client } = await attempt(port, { token: "ann" });
  expect(client.welcome?.limits?.framesPerSecondMax).toBe(1);
  const { roomAlias } = await client.join("live:a");
  // In one turn: whatever the time before, the bucket holds two.
  for (let id = 2; id <= 20; id += 1) {
    client.publish({ requestId: id, alias: roomAlias, payload: `${id}` });
  }
  client.send({ $case: "history", value: { ...history, requestId: 21 } });
  await client.ack(2);
  for (const requestId of [20, 21]) {
    const error = await client.error(requestId);
    expect(error).toMatchObject({ code: "RATE_LIMITED", retryable: true, limitValue: 1n });
    expect(error.limit).toBe("frames-per-second");
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(error.retryAfterMs).toBeLessThanOrEqual(1000);
  }
  expect((await client.texts(roomAlias, 1))[0]).toBe("2");
  expect(client.messages(roomAlias).length).toBeLessThan(19);
  // A leave is carried out whatever was sent before, and others have rates of their own.
  client.send({ $case: "leave", value: { requestId: 22, roomAlias } });
  await client.next("left");
  const other = await attempt(port, { token: "ann" });
  await other.client.join("live:a");
});
const history = {
  target: { $case: "room" as const, value: "chat:a" },
  ...{ cursor: undefined, limit: 1 },
};

test("bytes-per-second and frame-bytes: what is sent, and in one frame", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "bytes-per-second", 1000);
  await putLimit(bus, "frame-bytes", 8192);
  const { client } = await attempt(port, { token: "ann" });
  expect(client.welcome?.limits).toMatchObject({ bytesPerSecondMax: 1000, frameBytesMax: 8192 });
  client.publish({ requestId: 1, room: "live:a", payload: Buffer.alloc(8000) }); // a full bucket
  client.publish({ requestId: 2, room: "live:a", payload: "x" });
  await client.ack(1);
  expect(await client.error(2)).toMatchObject({ code: "RATE_LIMITED", limit: "bytes-per-second" });
  client.publish({ requestId: 3, room: "live:a", payload: Buffer.alloc(9000) });
  expect(await client.closed).toEqual({ code: 1009, reason: "FRAME_TOO_LARGE" });
});

test("in-flight: a tenant's own, lower than the gateway's", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "in-flight", 2);
  const { client } = await attempt(port, { token: "ann" });
  expect(client.welcome?.limits?.publishInFlightMax).toBe(2);
  for (const seq of [1, 2, 3])
    client.publish({ requestId: seq, room: "chat:a", seq, payload: "x" });
  expect((await client.error(3)).code).toBe("IN_FLIGHT_LIMIT");
  await client.ack(2);
});

test("user-publishes-per-second: over all of a user's connections, and none else's", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "user-publishes-per-second", 1);
  const [first, second, other] = await Promise.all(
    ["ann", "ann", "bob"].map((token) => attempt(port, { token })),
  );
  if (first === undefined || second === undefined || other === undefined) return;
  first.client.publish({ requestId: 1, room: "live:a", payload: "1" });
  await first.client.ack(1);
  for (let id = 1; id <= 9; id += 1) {
    second.client.publish({ requestId: id, room: id < 9 ? "live:b" : "live:a", payload: "2" });
  }
  expect(await second.client.error(9)).toMatchObject({
    ...{ code: "RATE_LIMITED", limit: "user-publishes-per-second", room: "live:a" },
  });
  other.client.publish({ requestId: 1, room: "live:a", payload: "4" });
  await other.client.ack(1);
});

test("R3: a durable publish above a rate is stored before later ones of its room, or they wait", async () => {
  const gateway = await testGateway(byName);
  const record = { ...defaultRoomClass("", RoomMode.DURABLE), roomPublishesPerSecondMax: 10 };
  await gateway.putClass("chat", record);
  const { client } = await attempt(gateway.port, { token: "ann" });
  const { roomAlias, policy } = await client.join("chat:a");
  expect(policy?.roomPublishesPerSecondMax).toBe(10);
  let requestId = 0;
  const publish = async (seq: number): Promise<string> => {
    requestId += 1;
    const id = requestId;
    client.publish({ requestId: id, alias: roomAlias, seq, payload: `${seq}` });
    const answer = await client.answer(id);
    return "code" in answer ? answer.code : "stored";
  };
  const answers = await Promise.all(Array.from({ length: 30 }, (_, i) => publish(i + 1)));
  const first = answers.indexOf("RATE_LIMITED") + 1;
  expect(first).toBeGreaterThan(20); // a burst of two seconds, and perhaps some more
  expect((await client.error(first)).limit).toBe("room-publishes-per-second");
  expect(answers.slice(first)).not.toContain("stored");
  // The last is refused for its rate at first, and then because the others have not come again.
  const untilOther = async (seq: number): Promise<string> => {
    for (;;) {
      const answer = await publish(seq);
      if (answer !== "RATE_LIMITED") return answer;
    }
  };
  expect(await untilOther(30)).toBe("UNAVAILABLE");
  for (let seq = first; seq <= 30; seq += 1) expect(await untilOther(seq)).toBe("stored");
  const all = Array.from({ length: 30 }, (_, i) => `${i + 1}`);
  expect(await client.texts(roomAlias, 30)).toEqual(all);
});

test("room class: publishes of all its rooms, payload bytes; a change holds at once", async () => {
  const gateway = await testGateway(byName);
  const record = { ...defaultRoomClass("", RoomMode.EPHEMERAL), classPublishesPerSecondMax: 1 };
  await gateway.putClass("live", { ...record, payloadBytesMax: 10 });
  const { client } = await attempt(gateway.port, { token: "ann" });
  const { policy } = await client.join("live:a");
  expect(policy).toMatchObject({ classPublishesPerSecondMax: 1, payloadBytesMax: 10 });
  client.publish({ requestId: 11, room: "live:a", payload: "12345678901" });
  expect(await client.error(11)).toMatchObject({
    ...{ code: "PAYLOAD_TOO_LARGE", limit: "payload-bytes", limitValue: 10n, retryable: false },
  });
  client.publish({ requestId: 12, room: "live:a", payload: "1234567890" });
  client.publish({ requestId: 13, room: "live:b", payload: "x" });
  client.publish({ requestId: 14, room: "live:c", payload: "x" });
  await client.ack(13);
  expect(await client.error(14)).toMatchObject({ limit: "class-publishes-per-second" });
  await gateway.putClass("live", { ...record, classPublishesPerSecondMax: 0 });
  await client.next("roomPolicyChanged");
  client.publish({ requestId: 15, room: "live:c", payload: "more than ten bytes" });
  await client.ack(15);
});

test("connects-per-second: a tenant's, closed 4008 with the time to wait; another tenant's not", async () => {
  const { bus, port } = await testGateway(byName);
  await putLimit(bus, "connects-per-second", 1);
  const all = await Promise.all(Array.from({ length: 20 }, () => attempt(port, { token: "ann" })));
  expect(all.filter(({ isAdmitted }) => isAdmitted).length).toBeGreaterThanOrEqual(2);
  const refused = all.find(({ isAdmitted }) => !isAdmitted);
  expect(refused).toMatchObject({ code: 4008 });
  expect(refused?.error).toMatchObject({
    ...{ code: "LIMIT_REACHED", limit: "connects-per-second", limitValue: 1n },
  });
  expect(refused?.error?.retryAfterMs).toBeLessThanOrEqual(1000);
  expect((await attempt(port, { token: "other/ann" })).isAdmitted).toBe(true);
});

test("connects-per-second: each of four gateways takes a quarter", () => {
  const rates = new Rates({ rates: () => ({ ...NO_RATES, connectsPerSecond: 100 }) }, () => 0);
  let takenCount = 0;
  while (rates.takeConnect("acme", 4) === null) takenCount += 1;
  rates.close();
  expect(takenCount).toBe(50); // two seconds of 25
});
