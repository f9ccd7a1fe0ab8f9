/**
 * `tidegatectl rooms, disconnect, fleet`: who is where, closing connections, and scale advice.
 */
import { FleetServiceClient } from "../proto/gen/tidegate/control/v1/fleet_service.ts";
import { MessagingServiceClient } from "../proto/gen/tidegate/control/v1/messaging_service.ts";
import type { Member } from "../proto/gen/tidegate/control/v1/room.ts";
import { RoomServiceClient } from "../proto/gen/tidegate/control/v1/room_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { Failure, usageError } from "./failure.ts";
import { formatOutput } from "./output.ts";
import { present } from "./pages.ts";
import {
  adviceTable,
  adviceText,
  type Found,
  memberTable,
  missingText,
  type RoomText,
  roomTable,
  roomText,
} from "./rooms-text.ts";
import { tenantParent } from "./tenant.ts";
import { watchView } from "./watch.ts";

/** How much of a list is shown, and how. */
export interface ListOptions {
  readonly format: OutputFormat;
  /** Things at most. */
  readonly limit: number;
}

/** Whom to disconnect. */
export interface DisconnectOptions {
  /** Empty: all of `user`. */
  readonly connection: string;
  readonly user: string;
  readonly reason: string;
  readonly isDryRun: boolean;
}

/** Things of one call at most; the control plane lowers it to its own maximum. */
const pageSizeMax = 1000;

/** `rooms list`: rooms with members. */
export async function listRooms(
  context: Context,
  target: Target,
  roomClass: string,
  { format, limit }: ListOptions,
): Promise<void> {
  const parent = tenantParent(target);
  await withClient(target.control, RoomServiceClient, async (client) => {
    const found = await collect<RoomText>(limit, async (pageSize, pageToken) => {
      const request = { parent, roomClass, pageSize, pageToken };
      const page = await call(client, client.listRooms, request);
      return { ...page, items: page.rooms.map(roomText) };
    });
    await print(context, formatOutput(format, found, roomTable));
  });
}

/** `rooms members`: who is in a room. */
export async function listMembers(
  context: Context,
  target: Target,
  room: string,
  { format, limit }: ListOptions,
): Promise<void> {
  const parent = tenantParent(target);
  await withClient(target.control, RoomServiceClient, async (client) => {
    const found = await collect<Member>(limit, async (pageSize, pageToken) => {
      const request = { parent, room, pageSize, pageToken };
      const page = await call(client, client.listMembers, request);
      return { ...page, items: page.members };
    });
    await print(context, formatOutput(format, found, memberTable));
  });
}

/** `disconnect`: one connection, or all of a user. */
export async function disconnect(
  context: Context,
  target: Target,
  { connection, user, reason, isDryRun }: DisconnectOptions,
): Promise<void> {
  if ((connection === "") === (user === "")) {
    throw usageError("a connection, or --user", "Name one of them: see rooms members.");
  }
  const words = { parent: tenantParent(target), reason, requestId: "", validateOnly: isDryRun };
  const done = isDryRun ? "would be closed" : "closed";
  await withClient(target.control, MessagingServiceClient, async (client) => {
    if (connection !== "") {
      await call(client, client.disconnectConnection, { ...words, connection });
      await print(context, `${connection} ${done}\n`);
      return;
    }
    const answer = await call(client, client.disconnectUser, { ...words, user });
    const { connectionCount, silentGateways } = answer;
    const count = `${connectionCount} connection${connectionCount === 1 ? "" : "s"}`;
    await print(context, `${count} of ${user} ${done}\n${missingText(false, silentGateways)}`);
    if (silentGateways.length === 0) return;
    throw new Failure("UNAVAILABLE", "gateways did not answer: the user may be connected there", {
      fix: "Repeat the command.",
    });
  });
}

/** `fleet`: whether it should grow or shrink. */
export async function showAdvice(
  context: Context,
  target: Target,
  view: { readonly format: OutputFormat; readonly isWatched: boolean },
): Promise<void> {
  await withClient(target.control, FleetServiceClient, async (client) => {
    const draw = async () => {
      const { advice } = await call(client, client.getScaleAdvice, {});
      return formatOutput(view.format, adviceText(present(advice)), adviceTable);
    };
    if (view.isWatched) await watchView(context, draw);
    else await print(context, await draw());
  });
}

/** Pages of a list, until there are enough. */
async function collect<Item>(
  limit: number,
  read: (
    pageSize: number,
    pageToken: string,
  ) => Promise<{ items: readonly Item[]; nextPageToken: string; silentGateways: string[] }>,
): Promise<Found<Item>> {
  const items: Item[] = [];
  const silent = new Set<string>();
  let pageToken = "";
  do {
    const page = await read(Math.min(limit - items.length, pageSizeMax), pageToken);
    items.push(...page.items);
    for (const name of page.silentGateways) silent.add(name);
    pageToken = page.nextPageToken;
  } while (pageToken !== "" && items.length < limit);
  return { items, hasMore: pageToken !== "", silentGateways: [...silent] };
}
