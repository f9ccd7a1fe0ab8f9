/**
 * Groups and what is put into them at the same time: of a class's creation and the deletion of its
 * group one happens, whichever commit comes first.
 */
import { credentials, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { groupKey } from "../../bus/record-keys.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { PlacementGroup } from "../../proto/gen/tidegate/control/v1/placement_group.ts";
import { PlacementGroupServiceClient } from "../../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { Shard } from "../../proto/gen/tidegate/control/v1/shard.ts";
import {
  call,
  refusal,
  roomClass,
  testControlPlane,
  wrapKeys,
  wrapMethods,
} from "./start-control-plane.ts";

const blank = new Uint8Array(0);
const empty = { validateOnly: false, requestId: "" };
const missing = { grpc: status.NOT_FOUND, fields: ["room_class.placement_group"] };

/** A control plane with group 1, and the calls of the race. */
async function withGroup(wrap: (bus: Bus, race: () => Promise<void>) => Bus) {
  let race = async () => {};
  const once = () => {
    const act = race;
    race = async () => {};
    return act();
  };
  const opened = await testControlPlane({}, (bus) => wrap(bus, once));
  const { classes, plane, bus } = opened;
  const groups = new PlacementGroupServiceClient(plane.address, credentials.createInsecure());
  onTestFinished(() => groups.close());
  await call(groups, groups.createPlacementGroup, {
    ...{ ...empty, placementGroupId: "1", placementGroup: PlacementGroup.decode(blank) },
    shards: [Shard.decode(blank), Shard.decode(blank)],
  });
  const createClass = (roomClassId: string) =>
    call(classes, classes.createRoomClass, {
      ...{ ...empty, parent: "tenants/a", roomClassId },
      roomClass: roomClass({ mode: RoomMode.DURABLE, placementGroup: "groups/1" }),
    });
  const deleteGroup = () =>
    call(groups, groups.deletePlacementGroup, { ...empty, name: "groups/1", etag: "" });
  const list = async () => {
    const { placementGroups } = await call(groups, groups.listPlacementGroups, {
      ...{ pageSize: 0, pageToken: "" },
    });
    return placementGroups.map(({ name }) => name);
  };
  const arrange = (act: () => Promise<unknown>) => {
    race = async () => void (await act());
  };
  return { bus, classes, createClass, deleteGroup, list, arrange };
}

test("a class comes while its group's deletion is decided: the group stays, and is in use", async () => {
  const { createClass, deleteGroup, list, arrange } = await withGroup((bus, race) =>
    wrapMethods(bus, {
      shards: wrapMethods(bus.shards, {
        deleteGroup: async (...args) => {
          await race();
          return bus.shards.deleteGroup(...args);
        },
      }),
    }),
  );
  arrange(() => createClass("late"));
  const refused = await refusal(deleteGroup());
  expect(refused).toMatchObject({ grpc: status.FAILED_PRECONDITION, code: "GROUP_IN_USE" });
  expect(refused.message).toContain("tenants/a/roomClasses/late");
  expect(await list()).toEqual(["groups/0", "groups/1"]);
});

test("a group is deleted while a class of it is decided: there is no class", async () => {
  const { bus, classes, createClass, list, arrange } = await withGroup((bus, race) =>
    wrapKeys(bus, (keys) => ({
      commit: async (writes) => {
        if (writes.some(({ key }) => key.startsWith("class."))) await race();
        return keys.commit(writes);
      },
    })),
  );
  arrange(async () => {
    const entry = await (await bus.keyValue(CONTROL_BUCKET)).get(groupKey(1));
    await bus.shards.deleteGroup(1, entry?.revision ?? 0);
  });
  expect(await refusal(createClass("late"))).toMatchObject(missing);
  const name = "tenants/a/roomClasses/late";
  expect(await refusal(call(classes, classes.getRoomClass, { name }))).toMatchObject({
    code: "NOT_FOUND",
  });
  expect(await list()).toEqual(["groups/0"]);
});

test("classes that come at once are all created: none is in another's way for good", async () => {
  const { createClass, deleteGroup } = await withGroup((bus) => bus);
  const ids = Array.from({ length: 8 }, (_, i) => `class-${i}`);
  await Promise.all(ids.map((id) => createClass(id)));
  expect((await refusal(deleteGroup())).code).toBe("GROUP_IN_USE");
});
