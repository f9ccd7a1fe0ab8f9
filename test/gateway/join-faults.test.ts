/**
 * Joins that meet a fault on the way: every room of a Join is answered once, and others go on.
 */
import { expect, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { LINGER_COUNT_MAX } from "../../gateway/rooms.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import { testGateway } from "./start-gateway.ts";

/** A bus whose reads go through `around` first. */
function intercept(bus: Bus, around: (name: string) => Promise<void>): Bus {
  return new Proxy(bus, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      if (key !== "head" && key !== "readAfter") return member.bind(target);
      return async (...args: unknown[]) => {
        await around(key);
        return Reflect.apply(member, target, args);
      };
    },
  });
}

const base = defaultRoomClass("tenants/default/roomClasses/gone", RoomMode.DURABLE);

test("join: a class deleted while its room is being opened answers ROOM_CLASS_UNKNOWN, once", async () => {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const gateway = await testGateway({
    wrapBus: (bus) =>
      intercept(bus, async (name) => {
        if (name !== "head") return;
        reached.resolve();
        await held.promise;
      }),
  });
  await gateway.putClass("gone", base);
  const client = await gateway.client();
  const requestId = client.sendJoin([{ room: "gone:a", after: undefined, history: 0 }]);
  await reached.promise;
  await gateway.putClass("gone", { ...base, historyCountMax: 7 });
  await gateway.putClass("gone", { ...base, deleted: true });
  const other = client.sendJoin([{ room: "gone:b", after: undefined, history: 0 }]);
  expect((await client.error(other)).code).toBe("ROOM_CLASS_UNKNOWN"); // the deletion has arrived
  held.resolve();
  expect((await client.error(requestId)).code).toBe("ROOM_CLASS_UNKNOWN");
  await client.settle();
  // It showed as a Left of an alias that was never told, and no answer at all.
  expect(client.frames.map((frame) => frame.$case)).toEqual(["welcome", "error", "error", "pong"]);
  expect(gateway.gateway.stats().memberCount).toBe(0);
  expect(gateway.logged).toEqual([]);
});

test("join: a read that fails is answered, and the room stays one for its members", async () => {
  let isFailing = false;
  const gateway = await testGateway({
    wrapBus: (bus) =>
      intercept(bus, async (name) => {
        if (isFailing && name === "readAfter") throw new CodedError("UNAVAILABLE", "for the test");
      }),
  });
  const [alice, bob] = [await gateway.client(), await gateway.client()];
  const { roomAlias: alias } = await alice.join("chat:one");
  const after = { epoch: 1, seq: 1n, timeUs: 1n };
  isFailing = true;
  const refused = await bob.error(bob.sendJoin([{ room: "chat:one", after, history: 0 }]));
  expect([refused.code, refused.retryable, refused.room]).toEqual([
    "UNAVAILABLE",
    true,
    "chat:one",
  ]);
  isFailing = false;
  const joined = await bob.join("chat:one", { after });
  // It showed as a second alias for the room, whose first one no policy change reached any more.
  expect(joined.roomAlias).toBe(alias);
  expect(gateway.gateway.stats()).toMatchObject({ roomCount: 1, memberCount: 2 });
  expect(gateway.logged).toEqual([]);
});

test("join: a room whose head can not be read is opened anew by the next joiner", async () => {
  let failures = 2;
  const gateway = await testGateway({
    wrapBus: (bus) =>
      intercept(bus, async (name) => {
        if (name !== "head" || failures === 0) return;
        failures -= 1;
        throw new CodedError("UNAVAILABLE", "for the test");
      }),
  });
  const client = await gateway.client();
  for (let i = 0; i < 2; i += 1) {
    const id = client.sendJoin([{ room: "chat:one", after: undefined, history: 0 }]);
    expect((await client.error(id)).code).toBe("UNAVAILABLE");
  }
  await client.join("chat:one");
  expect(gateway.gateway.stats()).toMatchObject({ roomCount: 1, memberCount: 1 });
});

test(`rooms: at most ${LINGER_COUNT_MAX} empty ones linger, however many were joined and left`, async () => {
  const gateway = await testGateway();
  const client = await gateway.client();
  const rooms = Array.from({ length: LINGER_COUNT_MAX + 300 }, (_, i) => `live:r${i}`);
  for (let from = 0; from < rooms.length; from += 200) {
    const wanted = rooms.slice(from, from + 200);
    client.sendJoin(wanted.map((room) => ({ room, after: undefined, history: 0 })));
    for (const [i] of wanted.entries()) {
      const roomAlias = from + i + 1; // aliases count rooms as they are opened
      client.send({ $case: "leave", value: { requestId: 1_000_000 + roomAlias, roomAlias } });
    }
  }
  await client.next("left", (left) => left.requestId === 1_000_000 + rooms.length);
  const { roomCount, memberCount } = gateway.gateway.stats();
  expect(memberCount).toBe(0);
  expect(roomCount).toBeLessThanOrEqual(LINGER_COUNT_MAX);
});
