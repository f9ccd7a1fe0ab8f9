/** Where a room class asks to be: its group for ever, its regions as shards allow. */
import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { call, refusal, roomClass, testControlPlane } from "./start-control-plane.ts";

const { DURABLE, EPHEMERAL } = RoomMode;

test("RoomClass.placement_group: groups/0 unless it says otherwise, and it never changes", async () => {
  const { classes } = await testControlPlane();
  const create = (id: string, fields: Parameters<typeof roomClass>[0]) =>
    call(classes, classes.createRoomClass, {
      ...{ parent: "tenants/a", roomClassId: id, validateOnly: false, requestId: "" },
      roomClass: roomClass(fields),
    });
  const update = (fields: Parameters<typeof roomClass>[0]) =>
    call(classes, classes.updateRoomClass, {
      ...{ updateMask: undefined, allowMissing: false, validateOnly: false, requestId: "" },
      roomClass: roomClass({ name: "tenants/a/roomClasses/game", ...fields }),
    });
  const { roomClass: made } = await create("game", { mode: DURABLE });
  expect(made).toMatchObject({ placementGroup: "groups/0", regions: [] });
  await update({ placementGroup: "groups/0" }); // the same is no change
  const immutable = { grpc: status.FAILED_PRECONDITION, code: "GROUP_IMMUTABLE" };
  expect(await refusal(update({ placementGroup: "groups/1" }))).toMatchObject(immutable);
  const name = "tenants/a/roomClasses/game";
  const gone = { name, etag: "", validateOnly: false, requestId: "" };
  await call(classes, classes.deleteRoomClass, gone);
  const anew = create("game", { mode: DURABLE, placementGroup: "groups/1" });
  expect(await refusal(anew)).toMatchObject(immutable);
  expect((await create("game", { mode: DURABLE })).roomClass).toMatchObject({ name });
});

test("RoomClass: a missing group, bad names and regions without a shard change nothing", async () => {
  const { classes } = await testControlPlane();
  const create = (fields: Parameters<typeof roomClass>[0]) =>
    refusal(
      call(classes, classes.createRoomClass, {
        ...{ parent: "tenants/a", roomClassId: "game", validateOnly: false, requestId: "" },
        roomClass: roomClass(fields),
      }),
    );
  const group = (placementGroup: string) => create({ mode: DURABLE, placementGroup });
  const field = "room_class.placement_group";
  expect(await group("groups/3")).toMatchObject({ grpc: status.NOT_FOUND, fields: [field] });
  for (const bad of ["groups/16", "groups/01", "0", "groups/0/"]) {
    const invalid = { grpc: status.INVALID_ARGUMENT, fields: [field] };
    expect(await group(bad)).toMatchObject(invalid);
  }
  expect(await create({ mode: DURABLE, regions: ["mars"] })).toMatchObject({
    ...{ grpc: status.FAILED_PRECONDITION, code: "REGION_WITHOUT_SHARD" },
    fields: ["room_class.regions"],
  });
  const regions = Array.from({ length: 17 }, (_, i) => `r${i}`);
  for (const bad of [["EU"], ["eu", "eu"], regions]) {
    const invalid = { code: "REQUEST_INVALID", fields: ["room_class.regions"] };
    expect(await create({ mode: DURABLE, regions: bad })).toMatchObject(invalid);
  }
  expect(
    await create({ mode: EPHEMERAL, placementGroup: "groups/0", regions: ["eu"] }),
  ).toMatchObject({ fields: [field, "room_class.regions"] });
  const parent = { parent: "tenants/a", pageSize: 0, pageToken: "" };
  const { roomClasses } = await call(classes, classes.listRoomClasses, parent);
  expect(roomClasses.map(({ builtIn }) => builtIn)).toEqual([true, true]);
});
