/**
 * Processes, shards and slots as people and programs read them: short names, plain numbers.
 *
 * Pure. What `-o json|yaml` prints is the object, what a table shows is made from it.
 */
import {
  type Gateway,
  GatewayKind,
  GatewayState,
} from "../proto/gen/tidegate/control/v1/gateway.ts";
import { type GatewayFacts, ServingState } from "../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { type Shard, ShardState } from "../proto/gen/tidegate/control/v1/shard.ts";
import { type Slot, SlotState } from "../proto/gen/tidegate/control/v1/slot.ts";
import { formatBytes, formatSpan } from "./human-units.ts";
import { formatTable } from "./table.ts";

/** A process as printed. */
export type GatewayText = ReturnType<typeof gatewayText>;
/** A shard as printed. */
export type ShardText = ReturnType<typeof shardText>;
/** A slot as printed. */
export type SlotText = ReturnType<typeof slotText>;

const kinds: Readonly<Record<number, string>> = {
  [GatewayKind.GATEWAY]: "gateway",
  [GatewayKind.CONTROL_PLANE]: "control",
  [GatewayKind.ALL]: "all",
};

const states: Readonly<Record<number, string>> = {
  [GatewayState.LIVE]: "live",
  [GatewayState.SILENT]: "silent",
};

const servingStates: Readonly<Record<number, string>> = {
  [ServingState.SERVING]: "serving",
  [ServingState.ANNOUNCING]: "announcing",
  [ServingState.DRAINING]: "draining",
  [ServingState.STOPPED]: "stopped",
};

const shardStates: Readonly<Record<number, string>> = {
  [ShardState.ACTIVE]: "active",
  [ShardState.DRAINING]: "draining",
  [ShardState.RETIRED]: "retired",
};

const slotStates: Readonly<Record<number, string>> = {
  [SlotState.OPEN]: "open",
  [SlotState.SEALING]: "sealing",
  [SlotState.REMOVING]: "removing",
};

/** A process in words. */
export function gatewayText(gateway: Gateway) {
  const { startTime, renewTime, expireTime, renewalAgeMs, facts } = gateway;
  // By the bus's clock and the process's: the caller's may be wrong.
  const nowMs = (renewTime?.getTime() ?? 0) + renewalAgeMs;
  return {
    id: lastPart(gateway.name),
    kind: kinds[gateway.kind] ?? String(gateway.kind),
    state: states[gateway.state] ?? String(gateway.state),
    renewalAgeMs,
    upMs: Math.max(0, nowMs - (startTime?.getTime() ?? nowMs)),
    version: gateway.version,
    host: gateway.host,
    pid: gateway.pid,
    incarnation: gateway.incarnation,
    startTime: timeText(startTime),
    renewTime: timeText(renewTime),
    expireTime: timeText(expireTime),
    routingRevision: Number(gateway.routingRevision),
    facts: facts === undefined ? null : factsText(facts),
  };
}

/** What a gateway says of itself, in words and rounded. */
function factsText(facts: GatewayFacts) {
  return {
    region: facts.region,
    advertiseUrl: facts.advertiseUrl,
    serving: servingStates[facts.state] ?? String(facts.state),
    connectionCount: facts.connectionCount,
    connectionCountMax: facts.connectionCountMax,
    roomCount: facts.roomCount,
    memberCount: facts.memberCount,
    cpuShare: rounded(facts.cpuShare),
    loopDelayMs: rounded(facts.loopDelayMs),
    busLagMs: rounded(facts.busLagMs),
    connectRate: rounded(facts.connectRate),
    publishRate: rounded(facts.publishRate),
    deliveryRate: rounded(facts.deliveryRate),
    configVersion: Number(facts.configVersion),
    configAgeMs: facts.configAgeMs,
    configTrouble: facts.configTrouble,
    rssBytes: Number(facts.rssBytes),
    slowConnectionCount: facts.slowConnectionCount,
  };
}

/** To three digits behind the point. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** A shard in words; what is not known is null. */
export function shardText(shard: Shard) {
  const { settings, status } = shard;
  return {
    shard: Number(lastPart(shard.name)),
    store: shard.store,
    group: groupOf(shard.name),
    state: shardStates[shard.state] ?? null,
    region: shard.region,
    capacity: shard.capacity,
    slotCount: shard.slotCount,
    arrivingSlotCount: shard.arrivingSlotCount,
    leader: status?.leader ?? null,
    messageCount: status === undefined ? null : Number(status.messageCount),
    firstSequence: status === undefined ? null : Number(status.firstSequence),
    lastSequence: status === undefined ? null : Number(status.lastSequence),
    bytes: status === undefined ? null : Number(status.bytes),
    bytesMax: status === undefined ? null : Number(status.bytesMax),
    replicaCount: status?.replicaCount ?? null,
    settings:
      settings === undefined
        ? null
        : {
            revision: settings.revision,
            replicaCount: settings.replicaCount,
            roomMessageCountMax: settings.roomMessageCountMax,
            retentionMs: Number(settings.retentionMs),
            bytesMax: Number(settings.bytesMax),
            placementTags: settings.placementTags,
          },
    retireTime: timeText(shard.retireTime),
    historyEndTime: timeText(shard.historyEndTime),
    etag: shard.etag,
    trouble: shard.trouble,
  };
}

/** A slot in words; what there is not is null. */
export function slotText(slot: Slot) {
  return {
    slot: Number(lastPart(slot.name)),
    group: groupOf(slot.name),
    state: slotStates[slot.state] ?? String(slot.state),
    epoch: slot.epoch,
    shard: Number(lastPart(slot.shard)),
    targetShard: slot.targetShard === "" ? null : Number(lastPart(slot.targetShard)),
    deadlineTime: timeText(slot.deadlineTime),
    openTime: timeText(slot.openTime),
    sealedEpochs: slot.sealedEpochs.map((sealed) => ({
      epoch: sealed.epoch,
      shard: Number(lastPart(sealed.shard)),
      lastSequence: Number(sealed.lastSequence),
      openTime: timeText(sealed.openTime),
      sealTime: timeText(sealed.sealTime),
      wentBackwards: sealed.wentBackwards,
    })),
    revision: Number(slot.revision),
    pinnedShard: slot.pinnedShard === "" ? null : Number(lastPart(slot.pinnedShard)),
    etag: slot.etag,
  };
}

/** Processes, one a line. */
export function gatewayTable(gateways: readonly GatewayText[]): string {
  const head = ["ID", "KIND", "STATE", "REGION", "CONNS", "ROOMS", "CPU", "CONFIG", "VERSION"];
  const rows = gateways.map((each) => [
    ...[each.id, each.kind, stateText(each), ...loadTexts(each.facts), each.version || "-"],
  ]);
  return formatTable([head, ...rows]);
}

/** Whether it lives, and since when not; when it lives and takes no clients, why not. */
function stateText({ state, renewalAgeMs, facts }: GatewayText): string {
  if (state === "silent") return `${state} ${formatSpan(renewalAgeMs)}`;
  return facts === null || facts.serving === "serving" ? state : facts.serving;
}

function loadTexts(facts: GatewayText["facts"]): string[] {
  if (facts === null) return ["-", "-", "-", "-", "-"];
  const { region, connectionCount, roomCount, cpuShare, configAgeMs } = facts;
  return [
    ...[region || "-", String(connectionCount), String(roomCount)],
    `${Math.round(cpuShare * 100)}%`,
    facts.configVersion === 0 ? "-" : formatSpan(configAgeMs),
  ];
}

/** Shards, one a line; troubles below. */
export function shardTable(shards: readonly ShardText[]): string {
  const head = ["SHARD", "STATE", "SLOTS", "MESSAGES", "BYTES", "OF", "FULL", "COPIES"];
  const rows = shards.map((each) => {
    const { bytes, bytesMax, arrivingSlotCount } = each;
    const arriving = arrivingSlotCount > 0 ? `+${arrivingSlotCount}` : "";
    const isKnown = bytes !== null && bytesMax !== null && bytesMax > 0;
    return [
      ...[String(each.shard), orDash(each.state)],
      `${each.slotCount}${arriving}`,
      orDash(each.messageCount),
      isKnown ? formatBytes(bytes) : "-",
      isKnown ? formatBytes(bytesMax) : "-",
      isKnown ? `${Math.floor((100 * bytes) / bytesMax)}%` : "-",
      orDash(each.replicaCount),
      each.leader || "-",
    ];
  });
  const troubles = shards
    .filter(({ trouble }) => trouble !== "")
    .map(({ shard, trouble }) => `shard ${shard}: ${trouble}\n`);
  return formatTable([[...head, "LEADER"], ...rows]) + troubles.join("");
}

/** Slots, one a line. */
export function slotTable(slots: readonly SlotText[]): string {
  const head = ["SLOT", "STATE", "EPOCH", "SHARD", "TARGET", "PINNED", "OPENED", "EARLIER"];
  const rows = slots.map((each) => [
    ...[shortSlot(each), each.state, String(each.epoch), String(each.shard)],
    ...[orDash(each.targetShard), orDash(each.pinnedShard), orDash(each.openTime)],
    String(each.sealedEpochs.length),
  ]);
  return formatTable([head, ...rows]);
}

/** One thing with all that is known of it, a field a line; fields of fields with a dot. */
export function detailTable(text: object): string {
  return formatTable(detailRows("", text));
}

function detailRows(prefix: string, value: object): string[][] {
  return Object.entries(value).flatMap(([name, field]): string[][] => {
    const label = prefix + name;
    if (Array.isArray(field)) {
      if (!field.some((each) => typeof each === "object")) return [[label, field.join(",") || "-"]];
      return field.flatMap((each: object, at) => detailRows(`${label}.${at}.`, each));
    }
    if (typeof field === "object" && field !== null) return detailRows(`${label}.`, field);
    return [[label, field === "" ? "-" : orDash(field)]];
  });
}

function orDash(value: unknown): string {
  return value === null ? "-" : String(value);
}

/** Slot 5 of group 1 is "1-5", and of group 0 "5". */
function shortSlot({ group, slot }: SlotText): string {
  return group === 0 ? String(slot) : `${group}-${slot}`;
}

function groupOf(name: string): number {
  return Number(name.split("/")[1]);
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

function timeText(time: Date | undefined): string | null {
  return time?.toISOString() ?? null;
}
