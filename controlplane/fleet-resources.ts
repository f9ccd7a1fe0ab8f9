/**
 * Processes, shards and slots as the API has them.
 *
 * Pure; the time is an argument.
 */
import { groupOfSlot } from "../bus/subjects.ts";
import type { ProcessEntry, ShardEntry, ShardSetting, SlotEntry } from "../bus/topology.ts";
import {
  type Gateway,
  GatewayKind,
  GatewayState,
} from "../proto/gen/tidegate/control/v1/gateway.ts";
import { GatewayFacts } from "../proto/gen/tidegate/control/v1/gateway_facts.ts";
import {
  type Shard,
  type ShardSettings,
  ShardState,
} from "../proto/gen/tidegate/control/v1/shard.ts";
import { type Slot, SlotState } from "../proto/gen/tidegate/control/v1/slot.ts";
import { gatewayName, shardName, slotName } from "./fleet-names.ts";

/** A process renews nine times in the life of a lease (R12); two missed in a row are silence. */
const SILENT_PART = 2 / 9;

const kinds = {
  all: GatewayKind.ALL,
  gateway: GatewayKind.GATEWAY,
  controlplane: GatewayKind.CONTROL_PLANE,
} as const;

const states = {
  open: SlotState.OPEN,
  sealing: SlotState.SEALING,
  removing: SlotState.REMOVING,
} as const;

const shardStates = {
  active: ShardState.ACTIVE,
  draining: ShardState.DRAINING,
  retired: ShardState.RETIRED,
} as const;

/** A slot's pin as it is stored. */
export interface StoredPin {
  readonly shard: number;
  /** KV revision. */
  readonly revision: number;
}

/**
 * A process.
 *
 * @param nowUs of this machine, whose clock is less than 1 s from the bus's (R2).
 */
export function toGateway(entry: ProcessEntry, nowUs: number): Gateway {
  const { id, parts, incarnation, host, pid, version, expiresUs } = entry;
  const ageUs = Math.max(0, nowUs - entry.renewedUs);
  return {
    name: gatewayName(id),
    kind: kinds[parts],
    state: isSilent(entry, nowUs) ? GatewayState.SILENT : GatewayState.LIVE,
    ...{ incarnation, host, pid, version },
    startTime: toTime(entry.startedUs),
    renewTime: toTime(entry.renewedUs),
    renewalAgeMs: Math.min(Math.floor(ageUs / 1000), 0xffff_ffff),
    expireTime: expiresUs === null ? undefined : toTime(expiresUs),
    routingRevision: BigInt(entry.routingRevision),
    facts: decodeFacts(entry.facts),
  };
}

/** Whether it missed renewals: it may be dead. @param nowUs as for {@link toGateway}. */
export function isSilent({ renewedUs, expiresUs }: ProcessEntry, nowUs: number): boolean {
  return expiresUs !== null && nowUs - renewedUs >= (expiresUs - renewedUs) * SILENT_PART;
}

/** What a process said of itself; undefined when it said nothing, or nothing that decodes. */
export function decodeFacts(facts: Uint8Array): GatewayFacts | undefined {
  if (facts.length === 0) return undefined;
  try {
    return GatewayFacts.decode(facts);
  } catch {
    return undefined; // of another version, or foreign: the process is listed without it
  }
}

/** A shard. */
export function toShard(entry: ShardEntry): Shard {
  const { shard, store, slots, arrivingSlots, settings, facts, trouble } = entry;
  // Without its record, its slots say where it belongs.
  const group = settings?.group ?? groupOfSlot(slots[0] ?? 0);
  return {
    name: shardName(group, shard),
    store,
    slotCount: slots.length,
    arrivingSlotCount: arrivingSlots.length,
    settings: settings === null ? undefined : toSettings(settings),
    status:
      facts === null
        ? undefined
        : {
            leader: facts.leader,
            messageCount: BigInt(facts.messageCount),
            firstSequence: BigInt(facts.firstSeq),
            lastSequence: BigInt(facts.lastSeq),
            bytes: BigInt(facts.bytes),
            bytesMax: BigInt(facts.bytesMax),
            replicaCount: facts.replicaCount,
          },
    trouble,
    state: settings === null ? ShardState.UNSPECIFIED : shardStates[settings.state],
    region: settings?.region ?? "",
    capacity: settings?.capacity ?? 0,
    etag: settings === null ? "" : String(settings.revision),
    retireTime: settings?.retiredUs ? toTime(settings.retiredUs) : undefined,
    historyEndTime: historyEnd(entry),
  };
}

/** What a shard is to be. */
export function toSettings(settings: ShardSetting): ShardSettings {
  return {
    revision: settings.revision,
    replicaCount: settings.replicaCount,
    roomMessageCountMax: settings.roomMessageCountMax,
    retentionMs: BigInt(settings.retentionMs),
    bytesMax: BigInt(settings.shardBytesMax),
    placementTags: [...settings.placementTags],
  };
}

/** When its newest message is past retention; undefined when there is none, or nobody knows. */
function historyEnd({ settings, facts }: ShardEntry): Date | undefined {
  if (settings === null || facts === null || facts.newestUs === 0) return undefined;
  return toTime(facts.newestUs + settings.retentionMs * 1000);
}

/**
 * A slot.
 *
 * @param pin of it, as stored; null for none.
 */
export function toSlot(entry: SlotEntry, pin: StoredPin | null): Slot {
  const { slot, state, epoch, shard, targetShard, deadlineUs, openedUs, sealed } = entry;
  const group = groupOfSlot(slot);
  return {
    name: slotName(slot),
    state: states[state],
    epoch,
    shard: shardName(group, shard),
    targetShard: targetShard === null ? "" : shardName(group, targetShard),
    deadlineTime: deadlineUs === null ? undefined : toTime(deadlineUs),
    openTime: openedUs === 0 ? undefined : toTime(openedUs),
    sealedEpochs: sealed.map((each) => ({
      epoch: each.epoch,
      shard: shardName(group, each.shard),
      lastSequence: BigInt(each.lastSeq),
      openTime: each.openedUs === 0 ? undefined : toTime(each.openedUs),
      sealTime: toTime(each.sealedUs),
      wentBackwards: each.wentBackwards,
    })),
    revision: BigInt(entry.revision),
    pinnedShard: pin === null ? "" : shardName(group, pin.shard),
    etag: `${entry.revision}.${pin?.revision ?? 0}`,
  };
}

/** Which slots a caller wants. */
export interface SlotFilter {
  /** Only slots that it owns, or that move to it; null for those of every shard. */
  readonly shard: number | null;
  /** Only slots in one of them; empty for any. */
  readonly states: readonly SlotState[];
}

/** Whether a slot is one of those wanted. */
export function isWanted(entry: SlotEntry, filter: SlotFilter): boolean {
  const { shard } = filter;
  if (shard !== null && entry.shard !== shard && entry.targetShard !== shard) return false;
  return filter.states.length === 0 || filter.states.includes(states[entry.state]);
}

function toTime(us: number): Date {
  return new Date(Math.floor(us / 1000));
}
