/**
 * PlacementGroupService: groups as the bus has them, with the regions that their slots may be in.
 *
 * The bus's record of a group says how its slots began; the regions are a rule of placement, in a
 * record of the control plane's own.
 */
import type { ShardAdmin } from "../bus/shard-admin.ts";
import { GROUP_COUNT_MAX, SLOT_COUNT } from "../bus/subjects.ts";
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { PlacementGroup } from "../proto/gen/tidegate/control/v1/placement_group.ts";
import type {
  CreatePlacementGroupRequest,
  CreatePlacementGroupResponse,
  DeletePlacementGroupRequest,
  DeletePlacementGroupResponse,
  GetPlacementGroupRequest,
  GetPlacementGroupResponse,
  ListPlacementGroupsRequest,
  ListPlacementGroupsResponse,
  RebalancePlacementGroupRequest,
  RebalancePlacementGroupResponse,
  UpdatePlacementGroupRequest,
  UpdatePlacementGroupResponse,
} from "../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { ROOM_CLASS_PREFIX } from "../proto/room-class.ts";
import type { Caller } from "./access/caller.ts";
import { checkRegions } from "./check-regions.ts";
import type { ControlStore } from "./control-store.ts";
import { groupName, parseGroupName, shardName } from "./fleet-names.ts";
import {
  type FieldViolation,
  InvalidFieldsError,
  refuseInvalidFields,
  shown,
} from "./invalid-fields.ts";
import type { OperationStarts } from "./operations/begin-operation.ts";
import { placementGroupKey } from "./operations/placement-keys.ts";
import { planRebalance } from "./operations/plan-moves.ts";
import { placementError } from "./operations/refuse-placement.ts";
import { placementGroupOf, type Snapshot } from "./operations/snapshot.ts";
import { findRefusal } from "./placement/find-refusal.ts";
import type { RegionRule } from "./placement/placement.ts";
import { shardWish } from "./shard-changes.ts";
import { checkGroup, groupOf } from "./shard-service.ts";
import { takePage } from "./take-page.ts";

const service = "tidegate.control.v1.PlacementGroupService";
/** Groups of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 100, sizeMax: 100 };
/** Shards that a group may begin with in one call; more can be created later. */
const firstShardCountMax = 64;

/** What the calls work with. */
export interface PlacementGroupParts {
  readonly topology: Topology;
  readonly admin: ShardAdmin;
  readonly store: ControlStore;
  readonly starts: OperationStarts;
  readSnapshot(): Promise<Snapshot>;
}

/** The calls of PlacementGroupService; each throws a CodedError to refuse. */
export class PlacementGroupCalls {
  readonly #parts: PlacementGroupParts;

  constructor(parts: PlacementGroupParts) {
    this.#parts = parts;
  }

  async get(request: GetPlacementGroupRequest): Promise<GetPlacementGroupResponse> {
    const group = parseGroupName(request.name, "name");
    await checkGroup(this.#parts.topology, group);
    return { placementGroup: await this.#read(group) };
  }

  async list(request: ListPlacementGroupsRequest): Promise<ListPlacementGroupsResponse> {
    const { pageSize, pageToken } = request;
    const groups = await this.#parts.topology.groups();
    const wish = { pageSize, pageToken, ...sizes, scope: ["ListPlacementGroups"] };
    const { items, nextPageToken } = takePage(groups, ({ group }) => group, wish);
    const placementGroups = await Promise.all(items.map(({ group }) => this.#read(group)));
    return { placementGroups, nextPageToken };
  }

  async create(
    request: CreatePlacementGroupRequest,
    caller: Caller,
  ): Promise<CreatePlacementGroupResponse> {
    const { placementGroupId, placementGroup, shards, validateOnly, requestId } = request;
    const { admin, store, topology } = this.#parts;
    const regions = placementGroup?.regions ?? [];
    const group = Number(placementGroupId);
    refuseInvalidFields([
      ...checkGroupId(placementGroupId),
      ...checkRegions(regions, "placement_group.regions"),
      ...checkShardCount(shards.length),
    ]);
    const wishes = shards.map((shard, i) => shardWish(shard, group, `shards[${i}].`));
    const outside = wishes.findIndex(({ region }) => {
      return regions.length > 0 && !regions.includes(region);
    });
    if (outside >= 0) {
      const description = `${shown(wishes[outside]?.region ?? "")} is not in placement_group.regions`;
      throw new InvalidFieldsError([{ field: `shards[${outside}].region`, description }]);
    }
    const subject = { method: `${service}/CreatePlacementGroup`, resource: groupName(group) };
    if ((await store.findRepeat(caller, subject, { requestId, validateOnly })) !== null) {
      return { placementGroup: await this.#read(group) };
    }
    if ((await topology.groups()).some((entry) => entry.group === group)) {
      throw new CodedError("ALREADY_EXISTS", `${groupName(group)} exists`);
    }
    const record = { ...emptyGroup(group), regions, updateTime: new Date() };
    if (validateOnly) return { placementGroup: record };
    const made: number[] = [];
    try {
      for (const wish of wishes) made.push(await admin.create(wish));
      await admin.createGroup({ group, shards: made }, () => [
        ...(regions.length === 0 ? [] : [this.#regionsWrite(group, record, 0)]),
        ...store.along(caller, subject, { after: { ...record, shards: made } }, requestId),
      ]);
    } catch (reason) {
      // Without the group they are of no use; what can not be deleted now is listed, and can be.
      for (const shard of made) await this.#discard(shard);
      throw reason;
    }
    return { placementGroup: await this.#read(group) };
  }

  async update(
    request: UpdatePlacementGroupRequest,
    caller: Caller,
  ): Promise<UpdatePlacementGroupResponse> {
    const { placementGroup: given, updateMask: mask = [], validateOnly, requestId } = request;
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "placement_group", description: "is missing" }]);
    }
    const group = parseGroupName(given.name, "placement_group.name");
    refuseInvalidFields([
      ...checkMask(mask),
      ...checkRegions(given.regions, "placement_group.regions"),
    ]);
    await checkGroup(this.#parts.topology, group);
    const isNamed = mask.includes("regions") || mask.includes("*");
    if (!isNamed && given.regions.length === 0) {
      return { placementGroup: await this.#read(group) };
    }
    const { regions } = given;
    const audit = { method: `${service}/UpdatePlacementGroup`, resource: given.name };
    const { value, revision } = await this.#parts.store.changeRecord(
      caller,
      {
        key: placementGroupKey(group),
        audit,
        decide: async (stored) => {
          const before = stored.value === null ? null : PlacementGroup.decode(stored.value);
          if (isSame(before?.regions ?? [], regions)) return { kind: "none" };
          await this.#refuseRegions(group, regions);
          const record = { ...emptyGroup(group), regions, updateTime: new Date() };
          const encoded = PlacementGroup.encode(record).finish();
          return { kind: "write", value: encoded, before: before ?? undefined, after: record };
        },
      },
      { etag: given.etag, validateOnly, requestId },
    );
    return { placementGroup: await this.#present(group, value, revision) };
  }

  async delete(
    request: DeletePlacementGroupRequest,
    caller: Caller,
  ): Promise<DeletePlacementGroupResponse> {
    const { name, etag, validateOnly, requestId } = request;
    const { admin, store, topology } = this.#parts;
    const group = parseGroupName(name, "name");
    const subject = { method: `${service}/DeletePlacementGroup`, resource: name };
    if ((await store.findRepeat(caller, subject, { requestId, validateOnly })) !== null) return {};
    await checkGroup(topology, group);
    const present = await this.#read(group);
    if (etag !== "" && etag !== present.etag) {
      const detail = `${name} has etag ${shown(present.etag)} now, not ${shown(etag)}`;
      throw new CodedError("ETAG_MISMATCH", `${detail}: it has changed since`);
    }
    const shards = await this.#refuseUse(group);
    if (validateOnly) return {};
    await admin.deleteGroup(group, () => [
      ...(present.etag === "0" ? [] : [this.#regionsWrite(group, null, Number(present.etag))]),
      ...store.along(caller, subject, { before: present }, requestId),
    ]);
    // Without slots and messages they are of no use; one that is left is listed, and can be
    // deleted.
    for (const shard of shards) await this.#discard(shard);
    return {};
  }

  async rebalance(
    request: RebalancePlacementGroupRequest,
    caller: Caller,
  ): Promise<RebalancePlacementGroupResponse> {
    const { name, validateOnly, requestId } = request;
    const { starts, store, topology } = this.#parts;
    const group = parseGroupName(name, "name");
    await checkGroup(topology, group);
    const subject = { method: `${service}/RebalancePlacementGroup`, resource: name };
    const wish = { requestId, validateOnly };
    const isNew = (await store.findRepeat(caller, subject, wish)) === null;
    if (isNew) {
      starts.refuseConflict((work) => work.$case === "rebalance" && work.value.group === name);
    }
    const snapshot = await this.#parts.readSnapshot();
    const moves = isNew ? planRebalance(snapshot, group, starts.running()) : [];
    const work = { $case: "rebalance", value: { group: name, planCount: 0 } } as const;
    const operation = await starts.begin(caller, { ...subject, ...wish, work, moves });
    return { operation };
  }

  async #read(group: number): Promise<PlacementGroup> {
    const entry = await this.#parts.store.keys.get(placementGroupKey(group));
    return this.#present(group, entry?.value ?? null, entry?.revision ?? 0);
  }

  async #present(
    group: number,
    value: Uint8Array | null,
    revision: number,
  ): Promise<PlacementGroup> {
    const { topology } = this.#parts;
    const all = await topology.shards(await topology.shardNumbers());
    const shards = all
      .filter((entry) => groupOf(entry) === group)
      .map(({ shard }) => shardName(group, shard));
    const stored = value === null ? emptyGroup(group) : PlacementGroup.decode(value);
    return { ...stored, slotCount: SLOT_COUNT, shards, etag: String(revision) };
  }

  #regionsWrite(group: number, record: PlacementGroup | null, revision: number) {
    const value = record === null ? null : PlacementGroup.encode(record).finish();
    return { key: placementGroupKey(group), value, revision };
  }

  async #discard(shard: number): Promise<void> {
    try {
      await this.#parts.admin.delete(shard, { discardHistory: true });
    } catch {
      // It has no slots and costs little; an operator sees it in the list of shards.
    }
  }

  /** Refuses regions that shards, pins or other rules contradict. */
  async #refuseRegions(group: number, regions: readonly string[]): Promise<void> {
    const snapshot = await this.#parts.readSnapshot();
    const name = groupName(group);
    const others = (snapshot.rules.get(group) ?? []).filter((rule) => rule.name !== name);
    const rules: RegionRule[] = regions.length === 0 ? others : [...others, { name, regions }];
    const refusal = findRefusal(placementGroupOf(snapshot, group, { rules }));
    if (refusal !== null) throw placementError(refusal);
  }

  /** Refuses to delete a group that is used. @returns its shards. */
  async #refuseUse(group: number): Promise<number[]> {
    const name = groupName(group);
    const { store, topology } = this.#parts;
    if (group === 0) throw new CodedError("GROUP_IN_USE", `${name} is there for ever`);
    for (const { value } of await store.keys.list(ROOM_CLASS_PREFIX)) {
      const { name: roomClass, placementGroup } = RoomClass.decode(value);
      if (placementGroup !== name) continue;
      throw new CodedError("GROUP_IN_USE", `${name} has, or had, ${roomClass}`);
    }
    const all = await topology.shards(await topology.shardNumbers());
    const own = all.filter((entry) => groupOf(entry) === group);
    const full = own.find(({ facts }) => facts === null || facts.newestUs > 0);
    if (full === undefined) return own.map(({ shard }) => shard);
    if (full.facts === null) throw new CodedError("UNAVAILABLE", full.trouble);
    throw new CodedError("HISTORY_KEPT", `${shardName(group, full.shard)} stores messages`);
  }
}

function emptyGroup(group: number): PlacementGroup {
  const none = PlacementGroup.decode(new Uint8Array(0));
  return { ...none, name: groupName(group), slotCount: SLOT_COUNT };
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((region, i) => region === right[i]);
}

function checkGroupId(id: string): FieldViolation[] {
  if (/^(0|[1-9]\d?)$/.test(id) && Number(id) < GROUP_COUNT_MAX) return [];
  const description = `${shown(id)} is not a number from 0 to ${GROUP_COUNT_MAX - 1}`;
  return [{ field: "placement_group_id", description }];
}

function checkShardCount(count: number): FieldViolation[] {
  if (count >= 1 && count <= firstShardCountMax) return [];
  return [{ field: "shards", description: `has ${count} shards, not 1 to ${firstShardCountMax}` }];
}

function checkMask(mask: readonly string[]): FieldViolation[] {
  const known = ["*", "regions", "name", "slot_count", "shards", "etag", "update_time"];
  return mask
    .filter((path) => !known.includes(path))
    .slice(0, 1)
    .map((path) => ({
      field: "update_mask",
      description: `${shown(path)} is not a field; write regions or *`,
    }));
}
