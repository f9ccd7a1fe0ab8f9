/**
 * PlacementGroupService: groups as the bus has them, with the regions that their slots may be in.
 *
 * The bus's record of a group says how its slots began; the regions are a rule of placement, in a
 * record of the control plane's own.
 */

import { groupKey } from "../bus/record-keys.ts";
import { GROUP_SHARD_COUNT_MAX, type ShardAdmin } from "../bus/shard-admin.ts";
import { missingGroup } from "../bus/shard-rules.ts";
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
import type { OpenSpan } from "../telemetry/tracing/open-span.ts";
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
import { checkGroup } from "./shard-service.ts";
import { takePage } from "./take-page.ts";

const service = "tidegate.control.v1.PlacementGroupService";
/** Groups of a page when the request says 0, and at most. */
const sizes = { sizeDefault: 100, sizeMax: 100 };
/** A deletion that races with changes of the group is decided anew so often. */
const deleteRoundMax = 8;

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
    await admin.createGroup({ group, shards: wishes }, (made) => {
      const names = made.map((shard) => shardName(group, shard));
      return [
        ...(regions.length === 0 ? [] : [this.#regionsWrite(group, record, 0)]),
        ...store.along(caller, subject, { after: { ...record, shards: names } }, requestId),
      ];
    });
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
    const { admin, store } = this.#parts;
    const group = parseGroupName(name, "name");
    const subject = { method: `${service}/DeletePlacementGroup`, resource: name };
    if ((await store.findRepeat(caller, subject, { requestId, validateOnly })) !== null) return {};
    for (let round = 1; ; round += 1) {
      // Before what it is decided by: a class that comes after this read makes the commit fail.
      const record = await store.keys.get(groupKey(group));
      if (record === null) throw missingGroup(group);
      const present = await this.#read(group);
      refuseOtherEtag(present, etag);
      await this.#refuseUse(group);
      if (validateOnly) return {};
      try {
        await admin.deleteGroup(group, record.revision, () => [
          ...(present.etag === "0" ? [] : [this.#regionsWrite(group, null, Number(present.etag))]),
          ...store.along(caller, subject, { before: present }, requestId),
        ]);
        return {};
      } catch (reason) {
        const isRaced = CodedError.from(reason).code === "ETAG_MISMATCH";
        if (!isRaced || round === deleteRoundMax) throw reason;
      }
    }
  }

  async rebalance(
    request: RebalancePlacementGroupRequest,
    caller: Caller,
    span: OpenSpan | null = null,
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
    const operation = await starts.begin(caller, { ...subject, ...wish, work, moves, span });
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
    const shards = (await topology.shardSettings())
      .filter(({ settings }) => settings.group === group)
      .map(({ shard }) => shardName(group, shard));
    const stored = value === null ? emptyGroup(group) : PlacementGroup.decode(value);
    return { ...stored, slotCount: SLOT_COUNT, shards, etag: String(revision) };
  }

  #regionsWrite(group: number, record: PlacementGroup | null, revision: number) {
    const value = record === null ? null : PlacementGroup.encode(record).finish();
    return { key: placementGroupKey(group), value, revision };
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

  /** Refuses to delete a group that is used; the bus refuses while its shards store something. */
  async #refuseUse(group: number): Promise<void> {
    const name = groupName(group);
    const { store, topology } = this.#parts;
    if (group === 0) throw new CodedError("GROUP_IN_USE", `${name} is there for ever`);
    for (const { value } of await store.keys.list(ROOM_CLASS_PREFIX)) {
      const { name: roomClass, placementGroup } = RoomClass.decode(value);
      if (placementGroup !== name) continue;
      throw new CodedError("GROUP_IN_USE", `${name} has, or had, ${roomClass}`);
    }
    const own = (await topology.shardSettings()).filter(({ settings }) => settings.group === group);
    const entries = await topology.shards(own.map(({ shard }) => shard));
    const full = entries.find(({ facts }) => facts === null || facts.newestUs > 0);
    if (full === undefined) return;
    if (full.facts === null) throw new CodedError("UNAVAILABLE", full.trouble);
    throw new CodedError("HISTORY_KEPT", `${shardName(group, full.shard)} stores messages`);
  }
}

function emptyGroup(group: number): PlacementGroup {
  const none = PlacementGroup.decode(new Uint8Array(0));
  return { ...none, name: groupName(group), slotCount: SLOT_COUNT };
}

function refuseOtherEtag({ name, etag: present }: PlacementGroup, etag: string): void {
  if (etag === "" || etag === present) return;
  const detail = `${name} has etag ${shown(present)} now, not ${shown(etag)}`;
  throw new CodedError("ETAG_MISMATCH", `${detail}: it has changed since`);
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
  if (count >= 1 && count <= GROUP_SHARD_COUNT_MAX) return [];
  const description = `has ${count} shards, not 1 to ${GROUP_SHARD_COUNT_MAX}`;
  return [{ field: "shards", description }];
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
