/**
 * Puts together what has to do with placement: its services, the leader's work, and their parts.
 */
import { type Server, type ServerWritableStream, status } from "@grpc/grpc-js";
import type { Bus } from "../bus/bus.ts";
import {
  OperationServiceService,
  type WatchOperationRequest,
  type WatchOperationResponse,
} from "../proto/gen/tidegate/control/v1/operation_service.ts";
import { PlacementGroupServiceService } from "../proto/gen/tidegate/control/v1/placement_group_service.ts";
import { ShardServiceService } from "../proto/gen/tidegate/control/v1/shard_service.ts";
import { SlotServiceService } from "../proto/gen/tidegate/control/v1/slot_service.ts";
import type { Tracer } from "../telemetry/tracing/tracer.ts";
import { type CallGate, forgiving } from "./calls.ts";
import type { ControlStore } from "./control-store.ts";
import type { Log } from "./log.ts";
import { OperationStarts } from "./operations/begin-operation.ts";
import { LEADER_BUCKET, OperationLeader } from "./operations/leader.ts";
import { OperationFeed } from "./operations/operation-feed.ts";
import type { StoredOperation } from "./operations/operation-record.ts";
import { OperationCalls } from "./operations/operation-service.ts";
import { changeShardState } from "./operations/shard-state.ts";
import type { Snapshot } from "./operations/snapshot.ts";
import type { OperationWorkers } from "./operations/worker.ts";
import { PACE_DEFAULTS } from "./placement/next-moves.ts";
import { PlacementGroupCalls } from "./placement-group-service.ts";
import { ShardChanges } from "./shard-changes.ts";
import { ShardCalls } from "./shard-service.ts";
import { SlotChanges } from "./slot-changes.ts";
import { SlotCalls } from "./slot-service.ts";

/** Full names of the services, as health and reflection say them. */
export const PLACEMENT_SERVICES = {
  operations: "tidegate.control.v1.OperationService",
  groups: "tidegate.control.v1.PlacementGroupService",
  shards: "tidegate.control.v1.ShardService",
  slots: "tidegate.control.v1.SlotService",
} as const;

/** What it works with. */
export interface PlacementParts {
  readonly bus: Bus;
  readonly store: ControlStore;
  readonly log: Log;
  readonly tracer: Tracer;
  /** Name of this process, for people. */
  readonly name: string;
  /** Reads what placement is decided from. */
  readSnapshot(): Promise<Snapshot>;
  /** Operations that move no slots. */
  readonly workers: OperationWorkers;
}

/** Placement at work. */
export interface Placement {
  /** Begins operations. */
  readonly starts: OperationStarts;
  readonly leader: OperationLeader;
  /** All operations that are kept. */
  operations(): readonly StoredOperation[];
  /** Hands leadership over, and ends watches. */
  close(): Promise<void>;
}

/** Opens the parts, takes part in the leadership, and adds the services. Throws `UNAVAILABLE`. */
export async function addPlacement(
  server: Server,
  gate: CallGate,
  parts: PlacementParts,
): Promise<Placement> {
  const { bus, store, log, tracer, name, workers } = parts;
  const { topology, shards: admin } = bus;
  const leaders = await bus.keyValue(LEADER_BUCKET);
  const feed = await OperationFeed.open(store.keys);
  const read = () => parts.readSnapshot();
  const leader = await OperationLeader.join({
    ...{ shards: admin, keys: store.keys, limits: PACE_DEFAULTS, readSnapshot: read },
    ...{ workers, log, tracer, leaders, feed, name },
    readSlot: async (slot) => {
      const { shard, state } = await topology.slot(slot);
      return { slot, owner: shard, isOpen: state === "open" };
    },
    setShardState: (shard, state, operation) =>
      changeShardState({ topology, admin, store }, shard, state, operation),
  });
  const starts = new OperationStarts(store, feed);
  const changeParts = { topology, admin, store, starts, readSnapshot: read };
  const ending = new AbortController();
  addOperations(server, gate, new OperationCalls(store, feed), ending.signal);
  addGroups(server, gate, new PlacementGroupCalls(changeParts));
  addShards(server, gate, new ShardCalls(topology), new ShardChanges(changeParts));
  addSlots(server, gate, new SlotCalls(topology, store.keys), new SlotChanges(changeParts));
  const close = async () => {
    ending.abort();
    await leader.close();
    feed.close();
  };
  return { starts, leader, operations: () => feed.list(), close };
}

function addOperations(
  server: Server,
  gate: CallGate,
  calls: OperationCalls,
  ending: AbortSignal,
): void {
  const service = PLACEMENT_SERVICES.operations;
  server.addService(forgiving(OperationServiceService), {
    getOperation: gate.unary(`${service}/GetOperation`, calls.get.bind(calls)),
    listOperations: gate.unary(`${service}/ListOperations`, calls.list.bind(calls)),
    watchOperation: gate.stream(
      `${service}/WatchOperation`,
      (call: ServerWritableStream<WatchOperationRequest, WatchOperationResponse>) =>
        streamOperation(call, calls, ending),
    ),
    pauseOperation: gate.unary(`${service}/PauseOperation`, calls.pause.bind(calls)),
    resumeOperation: gate.unary(`${service}/ResumeOperation`, calls.resume.bind(calls)),
    abortOperation: gate.unary(`${service}/AbortOperation`, calls.abort.bind(calls)),
  });
}

/** Serves one watch; a slow reader gets fewer of them, and the last one always. */
async function streamOperation(
  call: ServerWritableStream<WatchOperationRequest, WatchOperationResponse>,
  calls: OperationCalls,
  ending: AbortSignal,
): Promise<void> {
  const cancelled = new AbortController();
  call.on("cancelled", () => cancelled.abort());
  const signal = AbortSignal.any([ending, cancelled.signal]);
  await calls.watch(
    call.request,
    async (operation) => {
      if (call.write({ operation }) || signal.aborted) return;
      await new Promise<void>((resolve) => {
        call.once("drain", resolve);
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
    },
    signal,
  );
  if (!ending.aborted) {
    call.end();
    return;
  }
  // Now, rather than when the time to stop is over: it goes on at another at once.
  const details = "this control plane is stopping; watch by another";
  call.emit("error", Object.assign(new Error(details), { code: status.UNAVAILABLE, details }));
}

function addGroups(server: Server, gate: CallGate, calls: PlacementGroupCalls): void {
  const service = PLACEMENT_SERVICES.groups;
  server.addService(forgiving(PlacementGroupServiceService), {
    createPlacementGroup: gate.unary(`${service}/CreatePlacementGroup`, calls.create.bind(calls)),
    getPlacementGroup: gate.unary(`${service}/GetPlacementGroup`, calls.get.bind(calls)),
    listPlacementGroups: gate.unary(`${service}/ListPlacementGroups`, calls.list.bind(calls)),
    updatePlacementGroup: gate.unary(`${service}/UpdatePlacementGroup`, calls.update.bind(calls)),
    deletePlacementGroup: gate.unary(`${service}/DeletePlacementGroup`, calls.delete.bind(calls)),
    rebalancePlacementGroup: gate.unary(
      `${service}/RebalancePlacementGroup`,
      calls.rebalance.bind(calls),
    ),
  });
}

function addShards(server: Server, gate: CallGate, calls: ShardCalls, changes: ShardChanges): void {
  const service = PLACEMENT_SERVICES.shards;
  server.addService(forgiving(ShardServiceService), {
    listShards: gate.unary(`${service}/ListShards`, calls.list.bind(calls)),
    getShard: gate.unary(`${service}/GetShard`, calls.get.bind(calls)),
    createShard: gate.unary(`${service}/CreateShard`, changes.create.bind(changes)),
    updateShard: gate.unary(`${service}/UpdateShard`, changes.update.bind(changes)),
    drainShard: gate.unary(`${service}/DrainShard`, changes.drain.bind(changes)),
    retireShard: gate.unary(`${service}/RetireShard`, changes.retire.bind(changes)),
    activateShard: gate.unary(`${service}/ActivateShard`, changes.activate.bind(changes)),
    deleteShard: gate.unary(`${service}/DeleteShard`, changes.delete.bind(changes)),
  });
}

function addSlots(server: Server, gate: CallGate, calls: SlotCalls, changes: SlotChanges): void {
  const service = PLACEMENT_SERVICES.slots;
  server.addService(forgiving(SlotServiceService), {
    listSlots: gate.unary(`${service}/ListSlots`, calls.list.bind(calls)),
    getSlot: gate.unary(`${service}/GetSlot`, calls.get.bind(calls)),
    getRoomRoute: gate.unary(`${service}/GetRoomRoute`, calls.roomRoute.bind(calls)),
    moveSlot: gate.unary(`${service}/MoveSlot`, changes.move.bind(changes)),
    pinSlot: gate.unary(`${service}/PinSlot`, changes.pin.bind(changes)),
    unpinSlot: gate.unary(`${service}/UnpinSlot`, changes.unpin.bind(changes)),
  });
}
