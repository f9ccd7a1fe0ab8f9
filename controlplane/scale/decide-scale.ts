/**
 * Whether the fleet should grow or shrink, from what gateways and shards say of themselves.
 *
 * Pure. More gateways help against connections, CPU and late timers; a bus that answers late, or
 * one gateway far above the others, is said and not answered by adding.
 */
import {
  type PartUtilisation,
  type ScaleAdvice,
  ScaleMeasure,
  type ScaleTarget,
} from "../../proto/gen/tidegate/control/v1/fleet.ts";

/** A gateway that takes clients. */
export interface GatewayLoad {
  readonly name: string;
  readonly connectionCount: number;
  readonly connectionCountMax: number;
  readonly cpuShare: number;
  readonly loopDelayMs: number;
  readonly busLagMs: number;
}

/** A shard that takes slots. */
export interface ShardLoad {
  readonly name: string;
  readonly bytes: number;
  readonly bytesMax: number;
}

/** The fleet as it stands. */
export interface FleetLoad {
  readonly gateways: readonly GatewayLoad[];
  readonly shards: readonly ShardLoad[];
  /** Gateways that are there and say nothing, and shards that do not answer. */
  readonly unknownNames: readonly string[];
}

/** Timers so late are full load, ms: members feel it. */
const LOOP_DELAY_FULL_MS = 100;
/** A bus that takes so long is full load, ms: a publish waits for it. */
const BUS_LAG_FULL_MS = 250;
/** Fewer are advised only when the rest would stay below this part of the trigger. */
const SHRINK_PART = 0.6;
/** Names in one sentence, or sentences of one kind. */
const NAMED_COUNT = 3;
/** One that is so far above the mean is a matter of balance. */
const UNEVEN_FACTOR = 1.5;

const GATEWAY_MEASURES = [
  ScaleMeasure.CONNECTIONS,
  ScaleMeasure.CPU,
  ScaleMeasure.LOOP_DELAY,
] as const;
const words: Readonly<Record<number, string>> = {
  [ScaleMeasure.CONNECTIONS]: "connections",
  [ScaleMeasure.CPU]: "CPU",
  [ScaleMeasure.LOOP_DELAY]: "late timers",
  [ScaleMeasure.BUS_LAG]: "the bus's answers",
  [ScaleMeasure.BYTES]: "stored bytes",
};

/** @param trigger utilisation above which more is advised, 0 to 1. */
export function decideScale(fleet: FleetLoad, trigger: number): ScaleAdvice {
  const gatewayParts = fleet.gateways.map(gatewayPart);
  const shardParts = fleet.shards.map(shardPart);
  const gateways = decideTarget(gatewayParts, GATEWAY_MEASURES, trigger);
  const shards = decideTarget(shardParts, [ScaleMeasure.BYTES], trigger);
  const busLag = meanOf(gatewayParts, ScaleMeasure.BUS_LAG);
  const reasons = [
    ...countReasons("gateway", gateways, trigger),
    ...countReasons("shard", shards, trigger),
    ...(busLag > trigger
      ? [`The bus answers in ${Math.round(busLag * BUS_LAG_FULL_MS)} ms: look at NATS, not here.`]
      : []),
    ...unevenReasons(gatewayParts, gateways, trigger, "move clients away from it"),
    ...unevenReasons(shardParts, shards, trigger, "move slots away from it"),
    ...unknownReasons(fleet.unknownNames),
  ];
  if (reasons.length === 0) {
    const most = Math.max(gateways.utilisation, shards.utilisation);
    reasons.push(`Nothing is to be done: ${percent(most)} in use, trigger ${percent(trigger)}.`);
  }
  return { trigger, gateways, shards, reasons, gatewayParts, shardParts };
}

function decideTarget(
  parts: readonly PartUtilisation[],
  measures: readonly ScaleMeasure[],
  trigger: number,
): ScaleTarget {
  const count = parts.length;
  let measure: ScaleMeasure = measures[0] ?? ScaleMeasure.UNSPECIFIED;
  for (const each of measures) if (meanOf(parts, each) > meanOf(parts, measure)) measure = each;
  const utilisation = meanOf(parts, measure);
  return { count, wantedCount: wantedCount(count, utilisation, trigger), utilisation, measure };
}

/** So many that the mean is at the trigger or below; fewer only with room to spare. */
function wantedCount(count: number, utilisation: number, trigger: number): number {
  const needed = Math.max(1, Math.ceil((count * utilisation) / trigger - 1e-9));
  if (count === 0 || needed > count) return count === 0 ? 0 : needed;
  const spare = Math.max(1, Math.ceil((count * utilisation) / (trigger * SHRINK_PART) - 1e-9));
  return Math.min(count, spare);
}

function countReasons(what: string, target: ScaleTarget, trigger: number): string[] {
  const { count, wantedCount: wanted, utilisation, measure } = target;
  if (count === 0) return [`No ${what} is there that could be measured.`];
  const why = `${words[measure]} at ${percent(utilisation)} of their limit in the mean`;
  if (wanted > count) {
    return [`Add ${counted(wanted - count, what)}: ${why}, trigger ${percent(trigger)}.`];
  }
  // Shards keep history: giving one up is an operator's wish, never a matter of load alone.
  if (wanted === count || what === "shard") return [];
  return [`${counted(count - wanted, what)} could go: ${why}, trigger ${percent(trigger)}.`];
}

/** Those far above the mean, by what moving load away from them would help. */
function unevenReasons(
  parts: readonly PartUtilisation[],
  { utilisation }: ScaleTarget,
  trigger: number,
  remedy: string,
): string[] {
  const own = parts.map(({ name, measures }) => {
    const movable = measures.filter(({ measure }) => measure !== ScaleMeasure.BUS_LAG);
    return { name, value: Math.max(...movable.map(({ value }) => value)) };
  });
  const hot = own.filter(({ value }) => value > trigger && value > utilisation * UNEVEN_FACTOR);
  return hot
    .slice(0, NAMED_COUNT)
    .map(({ name, value }) => `${name} is at ${percent(value)}, far above the mean: ${remedy}.`);
}

function unknownReasons(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, NAMED_COUNT).join(", ");
  const more = names.length > NAMED_COUNT ? ` and ${names.length - NAMED_COUNT} more` : "";
  return [`Not counted, since they say nothing: ${shown}${more}.`];
}

function gatewayPart(load: GatewayLoad): PartUtilisation {
  return part(load.name, [
    [ScaleMeasure.CONNECTIONS, ratio(load.connectionCount, load.connectionCountMax)],
    [ScaleMeasure.CPU, load.cpuShare],
    [ScaleMeasure.LOOP_DELAY, load.loopDelayMs / LOOP_DELAY_FULL_MS],
    [ScaleMeasure.BUS_LAG, load.busLagMs / BUS_LAG_FULL_MS],
  ]);
}

function shardPart({ name, bytes, bytesMax }: ShardLoad): PartUtilisation {
  return part(name, [[ScaleMeasure.BYTES, ratio(bytes, bytesMax)]]);
}

function part(name: string, values: readonly [ScaleMeasure, number][]): PartUtilisation {
  const measures = values.map(([measure, value]) => ({ measure, value }));
  return { name, value: Math.max(...values.map(([, value]) => value)), measures };
}

function meanOf(parts: readonly PartUtilisation[], measure: ScaleMeasure): number {
  let sum = 0;
  for (const { measures } of parts) {
    sum += measures.find((each) => each.measure === measure)?.value ?? 0;
  }
  return parts.length === 0 ? 0 : sum / parts.length;
}

function ratio(value: number, max: number): number {
  return max > 0 ? value / max : 0;
}

function percent(value: number): string {
  return `${Math.round(value * 100)} %`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
