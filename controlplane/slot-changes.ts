/**
 * The changes of SlotService: moves, which the leader makes, and pins, which are records.
 */

import type { ShardAdmin } from "../bus/shard-admin.ts";
import { SLOT_COUNT } from "../bus/subjects.ts";
import type { Topology } from "../bus/topology.ts";
import { CodedError } from "../proto/coded-error.ts";
import { type Slot, SlotPin } from "../proto/gen/tidegate/control/v1/slot.ts";
import type {
  MoveSlotRequest,
  MoveSlotResponse,
  PinSlotRequest,
  PinSlotResponse,
  UnpinSlotRequest,
  UnpinSlotResponse,
} from "../proto/gen/tidegate/control/v1/slot_service.ts";
import type { OpenSpan } from "../telemetry/tracing/open-span.ts";
import type { Caller } from "./access/caller.ts";
import type { ControlStore, RecordChange } from "./control-store.ts";
import { parseShardName, parseSlotName, shardName } from "./fleet-names.ts";
import { toSlot } from "./fleet-resources.ts";
import { shown } from "./invalid-fields.ts";
import type { OperationStarts } from "./operations/begin-operation.ts";
import { pinKey } from "./operations/placement-keys.ts";
import { planMove } from "./operations/plan-moves.ts";
import type { Snapshot } from "./operations/snapshot.ts";
import { checkGroup } from "./shard-service.ts";
import { readPin } from "./slot-service.ts";

const service = "tidegate.control.v1.SlotService";

/** What changes are made with. */
export interface SlotChangeParts {
  readonly topology: Topology;
  readonly admin: ShardAdmin;
  readonly store: ControlStore;
  readonly starts: OperationStarts;
  readSnapshot(): Promise<Snapshot>;
}

/** The changes of SlotService; each throws a CodedError to refuse. */
export class SlotChanges {
  readonly #parts: SlotChangeParts;

  constructor(parts: SlotChangeParts) {
    this.#parts = parts;
  }

  async move(
    request: MoveSlotRequest,
    caller: Caller,
    span: OpenSpan | null = null,
  ): Promise<MoveSlotResponse> {
    const { name, etag, shard: target, pin, validateOnly, requestId } = request;
    const { starts, store } = this.#parts;
    const subject = { method: `${service}/MoveSlot`, resource: name };
    const { slot } = parseSlotName(name, "name");
    const { shard } = parseShardName(target, "shard");
    const work = { $case: "moveSlot", value: { slot: name, shard: target } } as const;
    const repeat = await store.findRepeat(caller, subject, { requestId, validateOnly });
    const wish = { ...subject, work, validateOnly, requestId, span };
    if (repeat !== null) {
      return { operation: await starts.begin(caller, { ...wish, moves: [], along: [] }) };
    }
    await this.#readSlot(name, etag);
    const snapshot = await this.#parts.readSnapshot();
    // With `pin` it is tied there, whatever it was tied to before.
    const pins = pin ? new Map([...snapshot.pins].filter(([of]) => of !== slot)) : snapshot.pins;
    const moves = planMove({ ...snapshot, pins }, slot, shard, target);
    starts.refuseConflict((other) => other.$case === "moveSlot" && other.value.slot === name);
    const along = pin ? await this.#pinWrites(slot, target) : [];
    return { operation: await starts.begin(caller, { ...wish, moves, along }) };
  }

  async pin(request: PinSlotRequest, caller: Caller): Promise<PinSlotResponse> {
    const { name, etag, validateOnly, requestId } = request;
    const { slot, group } = parseSlotName(name, "name");
    const asked = request.shard === "" ? null : parseShardName(request.shard, "shard").shard;
    const present = await this.#readSlot(name, etag);
    const owner = parseShardName(present.shard, "shard").shard;
    const shard = asked ?? owner;
    const target = request.shard || present.shard;
    const snapshot = await this.#parts.readSnapshot();
    const pins = new Map([...snapshot.pins].filter(([of]) => of !== slot));
    planMove({ ...snapshot, pins }, slot, shard, target); // the same may be pinned as moved
    const value = SlotPin.encode({ shard: shardName(group, shard) }).finish();
    await this.#changePin("PinSlot", name, { validateOnly, requestId }, caller, (before) => {
      if (before?.shard === shardName(group, shard)) return { kind: "none" };
      return { kind: "write", value, before, after: { shard: shardName(group, shard) } };
    });
    if (validateOnly) return { slot: { ...present, pinnedShard: shardName(group, shard) } };
    return { slot: await this.#readSlot(name, "") };
  }

  async unpin(request: UnpinSlotRequest, caller: Caller): Promise<UnpinSlotResponse> {
    const { name, etag, validateOnly, requestId } = request;
    const present = await this.#readSlot(name, etag);
    await this.#changePin("UnpinSlot", name, { validateOnly, requestId }, caller, (before) =>
      before === null ? { kind: "none" } : { kind: "erase", before },
    );
    if (validateOnly) return { slot: { ...present, pinnedShard: "" } };
    return { slot: await this.#readSlot(name, "") };
  }

  async #changePin(
    method: string,
    resource: string,
    wish: { readonly validateOnly: boolean; readonly requestId: string },
    caller: Caller,
    decide: (before: SlotPin | null) => RecordChange,
  ): Promise<void> {
    const key = pinKey(parseSlotName(resource, "name").slot);
    const audit = { method: `${service}/${method}`, resource };
    await this.#parts.store.changeRecord(
      caller,
      { key, audit, decide: ({ value }) => decide(value === null ? null : SlotPin.decode(value)) },
      wish,
    );
  }

  /** The write that ties a slot to a shard, in the commit of its move. */
  async #pinWrites(slot: number, shard: string) {
    const key = pinKey(slot);
    const entry = await this.#parts.store.keys.get(key);
    if (entry !== null && SlotPin.decode(entry.value).shard === shard) return [];
    return [{ key, value: SlotPin.encode({ shard }).finish(), revision: entry?.revision ?? 0 }];
  }

  async #readSlot(name: string, etag: string): Promise<Slot> {
    const { topology, store } = this.#parts;
    const { group, number, slot } = parseSlotName(name, "name");
    if (number >= SLOT_COUNT) {
      throw new CodedError("NOT_FOUND", `placement group ${group} has no slot ${number}`);
    }
    await checkGroup(topology, group);
    const present = toSlot(await topology.slot(slot), await readPin(store.keys, slot));
    if (etag === "" || etag === present.etag) return present;
    const text = `${name} has etag ${shown(present.etag)} now, not ${shown(etag)}`;
    throw new CodedError("ETAG_MISMATCH", `${text}: it has changed since`);
  }
}
