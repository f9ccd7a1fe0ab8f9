/**
 * `tidegatectl gateways, shards, slots, route`: the fleet, read through the control plane.
 */
import type { Client } from "@grpc/grpc-js";
import { GatewayServiceClient } from "../proto/gen/tidegate/control/v1/gateway_service.ts";
import { ShardServiceClient } from "../proto/gen/tidegate/control/v1/shard_service.ts";
import { SlotState } from "../proto/gen/tidegate/control/v1/slot.ts";
import { SlotServiceClient } from "../proto/gen/tidegate/control/v1/slot_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { type ClientClass, call, withClient } from "./control-client.ts";
import { Failure, usageError } from "./failure.ts";
import {
  detailTable,
  gatewayTable,
  gatewayText,
  shardTable,
  shardText,
  slotTable,
  slotText,
} from "./fleet-text.ts";
import { formatOutput } from "./output.ts";
import { pages, present } from "./pages.ts";
import { tenantParent } from "./tenant.ts";
import { watchView } from "./watch.ts";

/** How a view is shown. */
export interface ViewOptions {
  readonly format: OutputFormat;
  /** Again every 2 s. */
  readonly isWatched: boolean;
}

/** Things asked for at once; servers lower it to their own maximum. */
const pageSize = 1000;
/** Of every group. */
const parent = "groups/-";

/** `gateways`, or one of them. */
export function showGateways(
  context: Context,
  target: Target,
  id: string,
  view: ViewOptions,
): Promise<void> {
  return show(context, target, GatewayServiceClient, view, async (client) => {
    if (id !== "") {
      const name = `gateways/${id}`;
      const { gateway } = await call(client, client.getGateway, { name });
      return formatOutput(view.format, gatewayText(present(gateway)), detailTable);
    }
    const gateways = await pages(async (pageToken) => {
      const page = await call(client, client.listGateways, { pageSize, pageToken });
      return { items: page.gateways, next: page.nextPageToken };
    });
    return formatOutput(view.format, gateways.map(gatewayText), gatewayTable);
  });
}

/** `shards`, or one of them. */
export function showShards(
  context: Context,
  target: Target,
  shard: number | null,
  view: ViewOptions,
): Promise<void> {
  return show(context, target, ShardServiceClient, view, async (client) => {
    if (shard !== null) {
      const name = await shardName(client, shard);
      const answer = await call(client, client.getShard, { name });
      return formatOutput(view.format, shardText(present(answer.shard)), detailTable);
    }
    const shards = await pages(async (pageToken) => {
      const page = await call(client, client.listShards, { parent, pageSize, pageToken });
      return { items: page.shards, next: page.nextPageToken };
    });
    return formatOutput(view.format, shards.map(shardText), shardTable);
  });
}

/** `slots`, or one of them. `shard` and `isMoving` filter the list. */
export async function showSlots(
  context: Context,
  target: Target,
  slot: string | null,
  filter: { readonly shard: number | null; readonly isMoving: boolean },
  view: ViewOptions,
): Promise<void> {
  if (slot !== null && (filter.shard !== null || filter.isMoving)) {
    throw usageError("one slot, and a filter", "Leave out the number, or --shard and --moving.");
  }
  const states = filter.isMoving ? [SlotState.SEALING, SlotState.REMOVING] : [];
  await show(context, target, SlotServiceClient, view, async (client) => {
    if (slot !== null) {
      const answer = await call(client, client.getSlot, slotRequest(slot));
      return formatOutput(view.format, slotText(present(answer.slot)), detailTable);
    }
    const shard = filter.shard === null ? "" : await shardNameElsewhere(target, filter.shard);
    const slots = await pages(async (pageToken) => {
      const request = { parent, pageSize, pageToken, shard, states };
      const page = await call(client, client.listSlots, request);
      return { items: page.slots, next: page.nextPageToken };
    });
    return formatOutput(view.format, slots.map(slotText), slotTable);
  });
}

/** `route`: where a room is. */
export async function showRoute(
  context: Context,
  target: Target,
  room: string,
  view: ViewOptions,
): Promise<void> {
  const request = { parent: tenantParent(target), room };
  await show(context, target, SlotServiceClient, view, async (client) => {
    const { slot } = await call(client, client.getRoomRoute, request);
    return formatOutput(
      view.format,
      { room, tenant: target.tenant, ...slotText(present(slot)) },
      detailTable,
    );
  });
}

/** Draws a view once, or again and again. */
async function show<C extends Client>(
  context: Context,
  target: Target,
  clientClass: ClientClass<C>,
  view: ViewOptions,
  draw: (client: C) => Promise<string>,
): Promise<void> {
  // Anew for each drawing: when one control plane goes away, the next one is asked.
  const drawn = () => withClient(target.control, clientClass, draw);
  if (view.isWatched) await watchView(context, drawn);
  else await print(context, await drawn());
}

/** The name of a shard, whose number is unique over all groups. @throws {Failure} `NOT_FOUND`. */
export async function shardName(client: ShardServiceClient, shard: number): Promise<string> {
  const shards = await pages(async (pageToken) => {
    const page = await call(client, client.listShards, { parent, pageSize, pageToken });
    return { items: page.shards, next: page.nextPageToken };
  });
  const found = shards.find(({ name }) => name.endsWith(`/shards/${shard}`));
  if (found !== undefined) return found.name;
  const fix = "tidegatectl shards shows those there are.";
  throw new Failure("NOT_FOUND", `there is no shard ${shard}`, { fix });
}

function shardNameElsewhere(target: Target, shard: number): Promise<string> {
  return withClient(target.control, ShardServiceClient, (client) => shardName(client, shard));
}

/** The name of a slot: "5", or of another group than 0 "1-5". @throws {Failure} for other texts. */
export function slotRequest(slot: string): { readonly name: string; readonly group: number } {
  const [, group = "0", number] = /^(?:(\d{1,2})-)?(\d{1,4})$/.exec(slot) ?? [];
  if (number === undefined) {
    const fix = 'Write its number, or of another group than 0 "<group>-<number>".';
    throw usageError(`${JSON.stringify(slot)} is no slot`, fix);
  }
  return { name: `groups/${group}/slots/${number}`, group: Number(group) };
}
