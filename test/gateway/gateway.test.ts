/** A gateway as a whole: what closing it ends, and what it leaves alone. */
import { expect, test } from "vitest";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import { testGateway } from "./start-gateway.ts";

test("close: clients are told, nothing is watched any more, and the bus goes on", async () => {
  const gateway = await testGateway();
  const [joined, silent] = [await gateway.client(), await gateway.silentClient()];
  await joined.join("chat:a");
  await joined.ack(joined.publish({ room: "chat:a", seq: 1, payload: "x" }));
  await Promise.all([gateway.gateway.close(), gateway.gateway.close()]);
  expect(await joined.closed).toEqual({ code: 4003, reason: "SERVER_STOPPING" });
  expect((await silent.closed).code).toBe(4003);
  expect(gateway.gateway.stats()).toMatchObject({
    ...{ isStopping: true, connectionCount: 0, roomCount: 0, memberCount: 0, laneCount: 0 },
  });
  const bucket = await gateway.bus.keyValue(CONTROL_BUCKET);
  // A gateway that watched would log it.
  await bucket.create("class.default.bad", Buffer.from([0xff]));
  await gateway.putClass("after", defaultRoomClass("", RoomMode.DURABLE));
  expect((await bucket.get("class.default.after"))?.revision).toBeGreaterThan(1);
  expect(gateway.logged).toEqual([]);
});
