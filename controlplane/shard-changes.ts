/**
 * The changes of ShardService: what may be done now, and the bus's or the leader's part in it.
 *
 * The bus commits a shard's record together with the audit entry of the call (ShardAdmin, `along`).
 */

import type { ShardAdmin, ShardChange, ShardWish } from "../bus/shard-admin.ts";
import type { ShardEntry, ShardSetting, Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { Shard, ShardState } from "../proto/gen/tidegate/control/v1/shard.ts";
import type {
  ActivateShardRequest,
  ActivateShardResponse,
  CreateShardRequest,
  CreateShardResponse,
  DeleteShardRequest,
  DeleteShardResponse,
  DrainShardRequest,
  DrainShardResponse,
  RetireShardRequest,
  RetireShardResponse,
  UpdateShardRequest,
  UpdateShardResponse,
} from "../proto/gen/tidegate/control/v1/shard_service.ts";
import type { OpenSpan } from "../telemetry/tracing/open-span.ts";
import type { Caller } from "./access/caller.ts";
import { enumName } from "./audit/enum-name.ts";
import { checkShardFields, checkShardMask, shardFields, toShardChange } from "./check-shard.ts";
import type { ControlStore } from "./control-store.ts";
import { parseGroupName, parseShardName, shardName } from "./fleet-names.ts";
import { toShard } from "./fleet-resources.ts";
import { InvalidFieldsError, refuseInvalidFields, shown } from "./invalid-fields.ts";
import type { OperationStarts } from "./operations/begin-operation.ts";
import { planDrain } from "./operations/plan-moves.ts";
import { placementError } from "./operations/refuse-placement.ts";
import { type Assumptions, placementGroupOf, type Snapshot } from "./operations/snapshot.ts";
import { findRefusal } from "./placement/find-refusal.ts";
import { checkGroup, findShard } from "./shard-service.ts";

const service = "tidegate.control.v1.ShardService";

/** What changes are made with. */
export interface ShardChangeParts {
  readonly topology: Topology;
  readonly admin: ShardAdmin;
  readonly store: ControlStore;
  readonly starts: OperationStarts;
  readSnapshot(): Promise<Snapshot>;
}

/** What a request says of how it is to be carried out. */
interface Wish {
  readonly etag: string;
  readonly validateOnly: boolean;
  readonly requestId: string;
}

/** The changes of ShardService; each throws a CodedError to refuse. */
export class ShardChanges {
  readonly #parts: ShardChangeParts;

  constructor(parts: ShardChangeParts) {
    this.#parts = parts;
  }

  async create(request: CreateShardRequest, caller: Caller): Promise<CreateShardResponse> {
    const { parent, shard: given, validateOnly, requestId } = request;
    const { store, topology, admin } = this.#parts;
    const group = parseGroupName(parent, "parent");
    const subject = { method: `${service}/CreateShard`, resource: parent };
    const repeat = await store.findRepeat(caller, subject, { requestId, validateOnly });
    if (repeat !== null) return { shard: Shard.decode(repeat.value ?? new Uint8Array(0)) };
    const wish = shardWish(given, group, "shard.");
    await checkGroup(topology, group);
    if (validateOnly) return { shard: wishedShard(wish) };
    const number = await admin.create(wish, (shard) => {
      const after = { ...wishedShard(wish), name: shardName(group, shard) };
      const answer = Shard.encode(after).finish();
      return store.along(caller, subject, { after: describeShard(after) }, requestId, answer);
    });
    return { shard: await this.#read(shardName(group, number)) };
  }

  async update(request: UpdateShardRequest, caller: Caller): Promise<UpdateShardResponse> {
    const { shard: given, updateMask: mask = [], validateOnly, requestId } = request;
    if (given === undefined) {
      throw new InvalidFieldsError([{ field: "shard", description: "is missing" }]);
    }
    parseShardName(given.name, "shard.name");
    refuseInvalidFields(checkShardMask(mask));
    const fields = shardFields(mask, given);
    refuseInvalidFields(checkShardFields(given, fields, "shard."));
    const change = toShardChange(given, fields);
    const wish = { etag: given.etag, validateOnly, requestId };
    const shard = await this.#change("UpdateShard", given.name, wish, caller, async (entry) => {
      const bytes = entry.facts?.bytes ?? 0;
      if (change.shardBytesMax !== undefined && change.shardBytesMax < bytes) {
        const description = `${change.shardBytesMax} is below the ${bytes} bytes it stores`;
        const field = "shard.settings.bytes_max";
        throw new InvalidFieldsError([{ field, description }], "CAPACITY_BELOW_USE");
      }
      if (change.region !== undefined) {
        await this.#refuseState(entry, { regions: new Map([[entry.shard, change.region]]) });
      }
      return change;
    });
    return { shard };
  }

  async retire(request: RetireShardRequest, caller: Caller): Promise<RetireShardResponse> {
    const shard = await this.#change("RetireShard", request.name, request, caller, (entry) =>
      this.#decideRetire(entry),
    );
    return { shard };
  }

  async activate(request: ActivateShardRequest, caller: Caller): Promise<ActivateShardResponse> {
    const shard = await this.#change("ActivateShard", request.name, request, caller, (entry) => {
      this.#refuseDraining(entry);
      return settingsOf(entry).state === "active" ? null : { state: "active" };
    });
    return { shard };
  }

  async drain(
    request: DrainShardRequest,
    caller: Caller,
    span: OpenSpan | null = null,
  ): Promise<DrainShardResponse> {
    const { name, etag, validateOnly, requestId } = request;
    const { topology, starts, store } = this.#parts;
    const subject = { method: `${service}/DrainShard`, resource: name };
    const repeat = await store.findRepeat(caller, subject, { requestId, validateOnly });
    const entry = await findShard(topology, name, "name");
    if (repeat === null) {
      const settings = settingsOf(entry);
      refuseOtherEtag(name, settings, etag);
      if (settings.state === "retired") {
        throw new CodedError("SHARD_NOT_ACTIVE", `${name} is retired already; it has no slots`);
      }
      this.#refuseDraining(entry);
    }
    const snapshot = await this.#parts.readSnapshot();
    const moves = repeat === null ? planDrain(snapshot, entry.shard, starts.running()) : [];
    const operation = await starts.begin(caller, {
      span,
      ...{ ...subject, moves, validateOnly, requestId },
      work: { $case: "drainShard", value: { shard: name } },
    });
    return { operation };
  }

  async delete(request: DeleteShardRequest, caller: Caller): Promise<DeleteShardResponse> {
    const { name, etag, validateOnly, requestId, discardHistory } = request;
    const { admin, topology, store } = this.#parts;
    const subject = { method: `${service}/DeleteShard`, resource: name };
    const { shard } = parseShardName(name, "name");
    if ((await store.findRepeat(caller, subject, { requestId, validateOnly })) !== null) return {};
    const entry = await findShard(topology, name, "name");
    const settings = settingsOf(entry);
    refuseOtherEtag(name, settings, etag);
    const groups = await topology.groups();
    const isGrouped = groups.some(({ group }) => group === settings.group);
    refuseDeletion(entry, discardHistory, isGrouped, Date.now());
    if (validateOnly) return {};
    const before = describeShard(toShard(entry));
    await admin.delete(shard, { discardHistory }, () =>
      store.along(caller, subject, { before }, requestId),
    );
    return {};
  }

  /** Reads, decides and changes. @param decide null: it is so already. */
  async #change(
    method: string,
    name: string,
    { etag, validateOnly, requestId }: Wish,
    caller: Caller,
    decide: (entry: ShardEntry) => ShardChange | null | Promise<ShardChange | null>,
  ): Promise<Shard> {
    const { admin, topology, store } = this.#parts;
    const subject = { method: `${service}/${method}`, resource: name };
    const repeat = await store.findRepeat(caller, subject, { requestId, validateOnly });
    if (repeat !== null) return Shard.decode(repeat.value ?? new Uint8Array(0));
    const entry = await findShard(topology, name, "name");
    const settings = settingsOf(entry);
    refuseOtherEtag(name, settings, etag);
    const change = await decide(entry);
    if (change === null) return toShard(entry);
    const after = toShard({ ...entry, settings: { ...settings, ...change } });
    if (validateOnly) return after;
    await admin.update(entry.shard, change, settings.revision, () => {
      const states = { before: describeShard(toShard(entry)), after: describeShard(after) };
      return store.along(caller, subject, states, requestId, Shard.encode(after).finish());
    });
    return this.#read(name);
  }

  async #decideRetire(entry: ShardEntry): Promise<ShardChange | null> {
    const name = toShard(entry).name;
    const settings = settingsOf(entry);
    if (settings.state === "retired") return null;
    this.#refuseDraining(entry);
    const { length } = entry.slots;
    if (length > 0) {
      throw new CodedError("SHARD_IN_USE", `${name} has ${length} slots; drain it instead`);
    }
    await this.#refuseState(entry, { states: new Map([[entry.shard, "retired"]]) });
    return { state: "retired" };
  }

  /** Refuses what would leave slots without a shard. */
  async #refuseState(entry: ShardEntry, assumed: Assumptions): Promise<void> {
    const snapshot = await this.#parts.readSnapshot();
    const group = placementGroupOf(snapshot, settingsOf(entry).group, assumed);
    const refusal = findRefusal(group);
    if (refusal !== null) throw placementError(refusal);
  }

  #refuseDraining(entry: ShardEntry): void {
    const { name } = toShard(entry);
    this.#parts.starts.refuseConflict((work) => {
      return work.$case === "drainShard" && work.value.shard === name;
    });
  }

  async #read(name: string): Promise<Shard> {
    return toShard(await findShard(this.#parts.topology, name, "name"));
  }
}

/** Checks the shard that is wanted, and fills in what is not given. */
export function shardWish(given: Shard | undefined, group: number, prefix: string): ShardWish {
  const asked = given ?? Shard.decode(new Uint8Array(0));
  const fields = shardFields([], asked);
  refuseInvalidFields(checkShardFields(asked, fields, prefix));
  const { state: _state, ...limits } = toShardChange(asked, fields);
  return { ...limits, group, region: asked.region, capacity: asked.capacity || 1 };
}

/** A shard that is not there yet, as it would be. */
export function wishedShard(wish: ShardWish): Shard {
  const none = Shard.decode(new Uint8Array(0));
  const { region, capacity } = wish;
  return {
    ...{ ...none, region, capacity, state: ShardState.ACTIVE },
    settings: {
      revision: 1,
      replicaCount: wish.replicaCount ?? 0,
      roomMessageCountMax: wish.roomMessageCountMax ?? 0,
      retentionMs: BigInt(wish.retentionMs ?? 0),
      bytesMax: BigInt(wish.shardBytesMax ?? 0),
      placementTags: [...(wish.placementTags ?? [])],
    },
  };
}

/** A shard as the audit log shows it: words for numbers, and what a call decides of it. */
function describeShard({ name, state, region, capacity, settings }: Shard): object {
  return { name, state: enumName(ShardState, state), region, capacity, settings };
}

function settingsOf(entry: ShardEntry): ShardSetting {
  if (entry.settings !== null) return entry.settings;
  throw new CodedError("UNAVAILABLE", `shard ${entry.shard}: ${entry.trouble}`);
}

function refuseOtherEtag(name: string, { revision }: ShardSetting, etag: string): void {
  if (etag === "" || etag === String(revision)) return;
  const text = `${name} has etag "${revision}" now, not ${shown(etag)}: it has changed since`;
  throw new CodedError("ETAG_MISMATCH", text);
}

/** @param isGrouped false: its group was deleted, and it is left over. */
function refuseDeletion(
  entry: ShardEntry,
  discardHistory: boolean,
  isGrouped: boolean,
  nowMs: number,
): void {
  const { name, historyEndTime } = toShard(entry);
  const settings = settingsOf(entry);
  if (settings.state !== "retired" && isGrouped) {
    throw new CodedError("SHARD_IN_USE", `${name} is ${settings.state}; drain or retire it first`);
  }
  if (discardHistory || historyEndTime === undefined || historyEndTime.getTime() <= nowMs) return;
  const until = historyEndTime.toISOString();
  throw new CodedError("HISTORY_KEPT", `${name} stores messages within retention until ${until}`);
}
