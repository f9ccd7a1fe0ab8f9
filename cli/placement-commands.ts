/**
 * `tidegatectl shards|slots|groups …` and `rebalance`: what changes where messages are stored.
 */
import { randomUUID } from "node:crypto";
import type { PlacementGroup } from "../proto/gen/tidegate/control/v1/placement_group.ts";
import { PlacementGroupServiceClient } from "../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { Shard } from "../proto/gen/tidegate/control/v1/shard.ts";
import { ShardServiceClient } from "../proto/gen/tidegate/control/v1/shard_service.ts";
import type { Slot } from "../proto/gen/tidegate/control/v1/slot.ts";
import { SlotServiceClient } from "../proto/gen/tidegate/control/v1/slot_service.ts";
import type { OutputFormat } from "./command-setup.ts";
import { type Context, print, type Target } from "./context.ts";
import { call, withClient } from "./control-client.ts";
import { usageError } from "./failure.ts";
import { shardName, slotRequest } from "./fleet-commands.ts";
import { detailTable, shardText, slotText } from "./fleet-text.ts";
import { type BeginOptions, showBegun } from "./operation-commands.ts";
import { formatOutput } from "./output.ts";
import { present } from "./pages.ts";
import { formatTable } from "./table.ts";

/** Fields of a shard that an option sets; undefined: not given. */
export interface ShardOptions {
  readonly region?: string;
  readonly capacity?: number;
  readonly replicas?: number;
  readonly roomMessages?: number;
  readonly retentionMs?: number;
  readonly bytes?: number;
  readonly tags?: readonly string[];
}

/** How a change is made and shown. */
export interface ChangeOptions {
  readonly format: OutputFormat;
  readonly isDryRun: boolean;
}

/** `shards create`. */
export async function createShard(
  context: Context,
  target: Target,
  group: number,
  wish: ShardOptions,
  options: ChangeOptions,
): Promise<void> {
  const request = { ...wishOf(options), parent: `groups/${group}`, shard: toShard("", wish) };
  const { shard } = await withClient(target.control, ShardServiceClient, (client) =>
    call(client, client.createShard, request),
  );
  const made = present(shard);
  const line = () =>
    options.isDryRun
      ? `a shard of group ${group} would be created${dryRun(options)}\n`
      : `shard ${numberOf(made.name)} is created; it has no slots yet\n` +
        `  tidegatectl rebalance ${group}\n`;
  const text = { ...shardText(made), shard: made.name === "" ? null : numberOf(made.name) };
  await print(context, formatOutput(options.format, text, line));
}

/** `shards update`. */
export async function updateShard(
  context: Context,
  target: Target,
  name: number,
  wish: ShardOptions,
  options: ChangeOptions,
): Promise<void> {
  const paths = maskOf(wish);
  if (paths.length === 0) throw usageError("nothing to change is named", "See --help.");
  const change = await changeShard(target, name, (client, full) => {
    const shard = toShard(full, wish);
    return call(client, client.updateShard, { ...wishOf(options), shard, updateMask: paths });
  });
  const line = () => `shard ${name} is changed${dryRun(options)}\n`;
  await print(context, formatOutput(options.format, shardText(change), line));
}

/** `shards retire` and `shards activate`. */
export async function setShardState(
  context: Context,
  target: Target,
  name: number,
  verb: "retire" | "activate",
  options: ChangeOptions,
): Promise<void> {
  const shard = await changeShard(target, name, (client, full) => {
    const request = { ...wishOf(options), name: full, etag: "" };
    return verb === "retire"
      ? call(client, client.retireShard, request)
      : call(client, client.activateShard, request);
  });
  const word = verb === "retire" ? "retired" : "active";
  const line = () => `shard ${name} is ${word}${dryRun(options)}\n`;
  await print(context, formatOutput(options.format, shardText(shard), line));
}

/** `shards drain`. */
export async function drainShard(
  context: Context,
  target: Target,
  name: number,
  options: BeginOptions,
): Promise<void> {
  const { operation } = await withClient(target.control, ShardServiceClient, async (client) => {
    const request = { ...wishOf(options), name: await shardName(client, name), etag: "" };
    return call(client, client.drainShard, request);
  });
  await showBegun(context, target, operation, options);
}

/** `shards delete`. */
export async function deleteShard(
  context: Context,
  target: Target,
  name: number,
  options: { readonly isDryRun: boolean; readonly discardHistory: boolean },
): Promise<void> {
  await withClient(target.control, ShardServiceClient, async (client) => {
    const { discardHistory } = options;
    const full = await shardName(client, name);
    const request = { ...wishOf(options), name: full, etag: "", discardHistory };
    await call(client, client.deleteShard, request);
  });
  await print(context, `shard ${name} is deleted${dryRun(options)}\n`);
}

/** `slots move`. */
export async function moveSlot(
  context: Context,
  target: Target,
  slot: string,
  shard: number,
  options: BeginOptions & { readonly pin: boolean },
): Promise<void> {
  const { name, group } = slotRequest(slot);
  const { operation } = await withClient(target.control, SlotServiceClient, (client) => {
    const { pin } = options;
    const to = `groups/${group}/shards/${shard}`;
    return call(client, client.moveSlot, { ...wishOf(options), name, etag: "", shard: to, pin });
  });
  await showBegun(context, target, operation, options);
}

/** `slots pin` and `slots unpin`. @param shard null: where it is. */
export async function pinSlot(
  context: Context,
  target: Target,
  given: string,
  verb: "pin" | "unpin",
  shard: number | null,
  options: ChangeOptions,
): Promise<void> {
  const { name, group } = slotRequest(given);
  const answer = await withClient(target.control, SlotServiceClient, async (client) => {
    const request = { ...wishOf(options), name, etag: "" };
    if (verb === "unpin") return call(client, client.unpinSlot, request);
    const to = shard === null ? "" : `groups/${group}/shards/${shard}`;
    return call(client, client.pinSlot, { ...request, shard: to });
  });
  const slot: Slot = present(answer.slot);
  const pinned =
    slot.pinnedShard === "" ? "not pinned" : `pinned to shard ${numberOf(slot.pinnedShard)}`;
  const isElsewhere = slot.pinnedShard !== "" && slot.pinnedShard !== slot.shard;
  const next = isElsewhere ? `  It moves there with: tidegatectl rebalance ${group}\n` : "";
  const line = () => `slot ${given} is ${pinned}${dryRun(options)}\n${next}`;
  await print(context, formatOutput(options.format, slotText(slot), line));
}

/** `rebalance`. */
export async function rebalance(
  context: Context,
  target: Target,
  group: number,
  options: BeginOptions,
): Promise<void> {
  const request = { ...wishOf(options), name: `groups/${group}` };
  const { operation } = await withClient(target.control, PlacementGroupServiceClient, (client) =>
    call(client, client.rebalancePlacementGroup, request),
  );
  await showBegun(context, target, operation, options);
}

/** `groups list`. */
export async function listGroups(
  context: Context,
  target: Target,
  format: OutputFormat,
): Promise<void> {
  const { placementGroups } = await withClient(
    target.control,
    PlacementGroupServiceClient,
    (client) => call(client, client.listPlacementGroups, { pageSize: 0, pageToken: "" }),
  );
  await print(context, formatOutput(format, placementGroups.map(groupText), groupTable));
}

/** `groups get`. */
export async function getGroup(
  context: Context,
  target: Target,
  group: number,
  format: OutputFormat,
): Promise<void> {
  const found = await withClient(target.control, PlacementGroupServiceClient, (client) =>
    call(client, client.getPlacementGroup, { name: `groups/${group}` }),
  );
  await print(context, formatOutput(format, groupText(present(found.placementGroup)), detailTable));
}

/** `groups create`. */
export async function createGroup(
  context: Context,
  target: Target,
  group: number,
  wish: { readonly regions: readonly string[]; readonly shardCount: number } & ShardOptions,
  options: ChangeOptions,
): Promise<void> {
  const { shardCount, regions } = wish;
  const shards = Array.from({ length: shardCount }, (_, i) => {
    // Without a region of their own, the shards are in the group's regions in turn.
    const region = wish.region ?? regions[i % Math.max(1, regions.length)];
    return toShard("", { ...wish, ...(region === undefined ? {} : { region }) });
  });
  const request = {
    ...{ ...wishOf(options), placementGroupId: String(group), shards },
    placementGroup: emptyGroup(`groups/${group}`, regions),
  };
  const made = await withClient(target.control, PlacementGroupServiceClient, (client) =>
    call(client, client.createPlacementGroup, request),
  );
  const line = () => `group ${group} is created with ${shardCount} shards${dryRun(options)}\n`;
  const text = groupText(present(made.placementGroup));
  await print(context, formatOutput(options.format, text, line));
}

/** `groups update`. */
export async function updateGroup(
  context: Context,
  target: Target,
  group: number,
  regions: readonly string[],
  options: ChangeOptions,
): Promise<void> {
  const request = {
    ...{ ...wishOf(options), updateMask: ["regions"] },
    placementGroup: emptyGroup(`groups/${group}`, regions),
  };
  const made = await withClient(target.control, PlacementGroupServiceClient, (client) =>
    call(client, client.updatePlacementGroup, request),
  );
  const text = groupText(present(made.placementGroup));
  const line = () =>
    `group ${group} may be in ${regions.join(", ") || "any region"}${dryRun(options)}\n` +
    `  Slots elsewhere move with: tidegatectl rebalance ${group}\n`;
  await print(context, formatOutput(options.format, text, line));
}

/** `groups delete`. */
export async function deleteGroup(
  context: Context,
  target: Target,
  group: number,
  options: { readonly isDryRun: boolean },
): Promise<void> {
  const request = { ...wishOf(options), name: `groups/${group}`, etag: "" };
  await withClient(target.control, PlacementGroupServiceClient, (client) =>
    call(client, client.deletePlacementGroup, request),
  );
  await print(context, `group ${group} is deleted${dryRun(options)}\n`);
}

function groupText(group: PlacementGroup) {
  return {
    group: numberOf(group.name),
    regions: group.regions,
    slotCount: group.slotCount,
    shards: group.shards.map(numberOf),
    etag: group.etag,
    updateTime: group.updateTime?.toISOString() ?? null,
  };
}

function groupTable(groups: readonly ReturnType<typeof groupText>[]): string {
  const rows = groups.map(({ group, regions, slotCount, shards }) => [
    ...[String(group), regions.join(",") || "any", String(slotCount), shards.join(",") || "-"],
  ]);
  return formatTable([["GROUP", "REGIONS", "SLOTS", "SHARDS"], ...rows]);
}

function emptyGroup(name: string, regions: readonly string[]): PlacementGroup {
  const none = { slotCount: 0, shards: [], etag: "", updateTime: undefined };
  return { ...none, name, regions: [...regions] };
}

async function changeShard(
  target: Target,
  shard: number,
  change: (
    client: ShardServiceClient,
    name: string,
  ) => Promise<{ readonly shard?: Shard | undefined }>,
): Promise<Shard> {
  return withClient(target.control, ShardServiceClient, async (client) => {
    return present((await change(client, await shardName(client, shard))).shard);
  });
}

function toShard(name: string, wish: ShardOptions): Shard {
  const none = Shard.decode(new Uint8Array(0));
  return {
    ...{ ...none, name, region: wish.region ?? "", capacity: wish.capacity ?? 0 },
    settings: {
      revision: 0,
      replicaCount: wish.replicas ?? 0,
      roomMessageCountMax: wish.roomMessages ?? 0,
      retentionMs: BigInt(wish.retentionMs ?? 0),
      bytesMax: BigInt(wish.bytes ?? 0),
      placementTags: [...(wish.tags ?? [])],
    },
  };
}

function maskOf(wish: ShardOptions): string[] {
  const fields = [
    ["region", wish.region],
    ["capacity", wish.capacity],
    ["settings.replica_count", wish.replicas],
    ["settings.room_message_count_max", wish.roomMessages],
    ["settings.retention_ms", wish.retentionMs],
    ["settings.bytes_max", wish.bytes],
    ["settings.placement_tags", wish.tags],
  ] as const;
  return fields.filter(([, value]) => value !== undefined).map(([path]) => path);
}

/** With an id of its own, a call that is sent again does it once. */
function wishOf({ isDryRun }: { readonly isDryRun: boolean }) {
  return { validateOnly: isDryRun, requestId: randomUUID() };
}

function dryRun({ isDryRun }: { readonly isDryRun: boolean }): string {
  return isDryRun ? " (dry run, nothing was written)" : "";
}

function numberOf(name: string): number {
  return Number(name.slice(name.lastIndexOf("/") + 1));
}
