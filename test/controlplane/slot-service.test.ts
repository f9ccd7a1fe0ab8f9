/** SlotService over real gRPC on the embedded bus, whose slots never move. */
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { roomAddress } from "../../bus/subjects.ts";
import { SlotState } from "../../proto/gen/tidegate/control/v1/slot.ts";
import type {
  ListSlotsRequest,
  SlotServiceClient,
} from "../../proto/gen/tidegate/control/v1/slot_service.ts";
import { call, openControlPlane, refusal } from "./start-control-plane.ts";

let plane: Awaited<ReturnType<typeof openControlPlane>>;
let client: SlotServiceClient;

beforeAll(async () => {
  plane = await openControlPlane();
  client = plane.slots;
});
afterAll(() => plane.close());

function list(more: Partial<ListSlotsRequest>) {
  const request = { parent: "groups/0", pageSize: 0, pageToken: "", shard: "", states: [] };
  return call(client, client.listSlots, { ...request, ...more });
}

const invalid = { grpc: status.INVALID_ARGUMENT, code: "REQUEST_INVALID" };

test("ListSlots: pages add up to all slots, each once", async () => {
  const names: string[] = [];
  let pageToken = "";
  let pageCount = 0;
  do {
    const page = await list({ pageSize: 300, pageToken });
    names.push(...page.slots.map(({ name }) => name));
    pageToken = page.nextPageToken;
    pageCount += 1;
  } while (pageToken !== "");
  expect(pageCount).toBe(4);
  expect(names).toEqual(Array.from({ length: 1024 }, (_, slot) => `groups/0/slots/${slot}`));
  expect((await list({})).slots).toHaveLength(100);
  expect((await list({ pageSize: 4_000_000 })).slots).toHaveLength(500);
});

test("ListSlots: filters by shard and by state, and a token keeps its filter", async () => {
  const shard = "groups/0/shards/0";
  const open = await list({ shard, states: [SlotState.OPEN], pageSize: 2 });
  expect(open.slots).toMatchObject([
    { shard, state: SlotState.OPEN, epoch: 1, targetShard: "", revision: 0n },
    { shard, sealedEpochs: [], openTime: undefined, deadlineTime: undefined },
  ]);
  const moving = await list({ states: [SlotState.SEALING, SlotState.REMOVING] });
  expect(moving).toEqual({ slots: [], nextPageToken: "" });
  const other = { shard, pageSize: 2, pageToken: open.nextPageToken };
  expect(await refusal(list(other))).toMatchObject({ ...invalid, fields: ["page_token"] });
});

test("ListSlots: bad filters are refused, and an unknown shard is NOT_FOUND", async () => {
  expect(await refusal(list({ shard: "0" }))).toMatchObject({ ...invalid, fields: ["shard"] });
  expect(await refusal(list({ shard: "groups/0/shards/9" }))).toMatchObject({
    grpc: status.NOT_FOUND,
  });
  expect(await refusal(list({ parent: "" }))).toMatchObject({ ...invalid, fields: ["parent"] });
  for (const states of [[0], [99], Array.from({ length: 9 }, () => SlotState.OPEN)]) {
    const refused = await refusal(list({ states: states as SlotState[] }));
    expect(refused).toMatchObject({ ...invalid, fields: ["states"] });
  }
});

test("GetSlot: one slot; unknown ones are NOT_FOUND, other names refused", async () => {
  const get = (name: string) => call(client, client.getSlot, { name });
  expect((await get("groups/0/slots/1023")).slot).toMatchObject({ epoch: 1 });
  expect(await refusal(get("groups/0/slots/1024"))).toMatchObject({ grpc: status.NOT_FOUND });
  expect(await refusal(get("groups/0/shards/1"))).toMatchObject({ ...invalid, fields: ["name"] });
});

test("GetRoomRoute: says the slot that messages of the room go to, stored or not", async () => {
  const route = (tenant: string, room: string) =>
    call(client, client.getRoomRoute, { parent: `tenants/${tenant}`, room });
  for (const [tenant, room] of [
    ["default", "chat:lobby"],
    ["acme", "none:at/all.*>"],
  ] as const) {
    const { slot } = await route(tenant, room);
    expect(slot?.name).toBe(`groups/0/slots/${roomAddress(tenant, room).slot}`);
    expect(slot).toMatchObject({ shard: "groups/0/shards/0", epoch: 1 });
  }
  expect(await refusal(route("default", "lobby"))).toMatchObject({
    ...{ grpc: status.INVALID_ARGUMENT, code: "ROOM_NAME_INVALID", fields: ["room"] },
  });
  expect(await refusal(route("", "chat:a"))).toMatchObject({ ...invalid, fields: ["parent"] });
});
