/** What a gateway says of its busiest rooms and slow connections, on made-up ones. */
import { expect, test } from "vitest";
import { newConnection } from "../../../gateway/connection.ts";
import type { GatewayContext } from "../../../gateway/context.ts";
import { makeIdentity } from "../../../gateway/identity.ts";
import { readActivity } from "../../../gateway/questions/activity.ts";

const all = { tenant: "", roomLimit: 200, connectionLimit: 200 };

/** A gateway of which only the rooms are there. */
function contextWith(rooms: readonly object[]): GatewayContext {
  return { gatewayId: "gw", rooms: { all: () => rooms.values() } } as unknown as GatewayContext;
}

function room(name: string, messageRate: number, memberCount = 1, tenant = "default") {
  return { address: { tenant, room: name }, memberCount, messageRate };
}

function slow(number: number, sinceMs: number, tenant: string) {
  const identity = makeIdentity({ tenant, user: `user-${number}`, grants: [] });
  const socket = { getBufferedAmount: () => 1000 * number } as never;
  return { connection: { ...newConnection(number), identity, socket }, sinceMs };
}

test("of many rooms the busiest, most first; silent and empty ones never", async () => {
  // 7919 is prime to 10 000: every rate from 0 to 9999 once, in no order
  const many = Array.from({ length: 10_000 }, (_, i) => room(`chat:${i}`, (i * 7919) % 10_000));
  const context = contextWith([...many, room("chat:empty", 1e9, 0), room("chat:silent", 0)]);
  const { rooms } = await readActivity(context, [], { ...all, roomLimit: 5 });
  expect(rooms.map(({ messageRate }) => messageRate)).toEqual([9999, 9998, 9997, 9996, 9995]);
  const most = await readActivity(context, [], { ...all, roomLimit: 100_000 });
  expect(most.rooms).toHaveLength(200);
  expect((await readActivity(context, [], { ...all, roomLimit: 0 })).rooms).toEqual([]);
});

test("rooms and slow connections of one tenant, or of all", async () => {
  const context = contextWith([room("chat:a", 1), room("chat:b", 2, 3, "acme")]);
  const behind = [slow(1, 0, "acme"), slow(2, performance.now() - 5000, "default")];
  const acme = await readActivity(context, behind, { ...all, tenant: "acme" });
  expect(acme.rooms).toEqual([{ tenant: "acme", room: "chat:b", memberCount: 3, messageRate: 2 }]);
  expect(acme.slowConnections).toMatchObject([{ connection: "gw-1", user: "user-1" }]);
  const { rooms, slowConnections } = await readActivity(context, behind, all);
  expect(rooms.map((each) => each.room)).toEqual(["chat:b", "chat:a"]);
  expect(slowConnections.map((each) => each.connection)).toEqual(["gw-1", "gw-2"]);
  expect(slowConnections[1]).toMatchObject({ bufferedBytes: 2000n, roomCount: 0 });
  expect(slowConnections[1]?.behindMs).toBeGreaterThanOrEqual(5000);
  const one = await readActivity(context, behind, { ...all, connectionLimit: 1 });
  expect(one.slowConnections).toHaveLength(1);
});
