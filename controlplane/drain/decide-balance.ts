/**
 * Which gateways give clients to others after a scale-out, and how many.
 *
 * Pure. With hysteresis: it begins when one gateway has far less than its part, and ends when all
 * are near theirs, so that the ordinary coming and going of clients moves nobody.
 */
import type { ProcessEntry } from "../../bus/topology.ts";
import {
  type GatewayFacts,
  ServingState,
} from "../../proto/gen/tidegate/control/v1/gateway_facts.ts";
import { decodeFacts, isSilent } from "../fleet-resources.ts";
import type { ControlPlaneOptions } from "../options.ts";

/** When and how gently load is moved. */
export type BalanceOptions = Pick<
  ControlPlaneOptions,
  "balances" | "balanceGapPercent" | "balanceRateMax"
>;

/** It ends when every gateway is this near to its share, percent. */
const NEAR_PERCENT = 10;
/** A smaller difference is left alone, connections: moving so few helps nobody. */
const COUNT_MIN = 20;
/** A gateway gets load only when it is this old, ms: in a rolling restart the next one may go. */
export const GROWN_MS = 60_000;

/** What is to be done in a turn. */
export interface BalanceTurn {
  /** To be given to the next turn. */
  readonly isBalancing: boolean;
  readonly orders: readonly BalanceOrder[];
}

/** A gateway is to give clients to others. */
export interface BalanceOrder {
  /** Its id. */
  readonly gateway: string;
  /** Clients, 1 or more. */
  readonly count: number;
  readonly ratePerS: number;
}

interface Load {
  readonly id: string;
  readonly region: string;
  readonly count: number;
  readonly max: number;
  /** Its part of all connections of its region, by its maximum. */
  readonly share: number;
}

/**
 * Decides a turn. Nothing is moved while any gateway drains, is about to, or is silent: their
 * clients come first.
 *
 * @param wasBalancing what the turn before said; false for the first.
 * @param nowUs by the bus's clock, or one that differs by less than a second.
 * @param turnMs until the next turn: no more is moved than fits in it.
 */
export function decideBalance(
  processes: readonly ProcessEntry[],
  options: BalanceOptions,
  wasBalancing: boolean,
  nowUs: number,
  turnMs: number,
): BalanceTurn {
  const nothing = { isBalancing: false, orders: [] };
  const gateways = processes.filter(({ parts }) => parts !== "controlplane");
  if (!options.balances || gateways.some((entry) => isBusy(entry, nowUs))) return nothing;
  const loads = readLoads(gateways, nowUs);
  const gap = wasBalancing ? NEAR_PERCENT : options.balanceGapPercent;
  const lacks = loads.map((load) => lackOf(load, gap));
  if (lacks.every((lack) => lack === 0)) return nothing;
  const countMax = Math.floor((options.balanceRateMax * turnMs) / 1000);
  const orders: BalanceOrder[] = [];
  for (const region of new Set(loads.map((load) => load.region))) {
    const near = loads.flatMap((load, i) => (load.region === region ? [i] : []));
    const lack = near.reduce((sum, i) => sum + (lacks[i] ?? 0), 0);
    orders.push(
      ...give(
        near.flatMap((i) => loads[i] ?? []),
        Math.min(lack, countMax),
        options,
      ),
    );
  }
  return { isBalancing: true, orders };
}

/** Shares `wanted` out among those above their share, by how far they are above it. */
function give(
  loads: readonly Load[],
  wanted: number,
  { balanceRateMax: ratePerS }: BalanceOptions,
) {
  const excess = loads.map(({ count, share }) => Math.max(0, count - share));
  const total = excess.reduce((sum, each) => sum + each, 0);
  return loads.flatMap(({ id }, i): BalanceOrder[] => {
    const part = total === 0 ? 0 : (excess[i] ?? 0) / total;
    const count = Math.min(Math.floor(wanted * part), Math.floor(excess[i] ?? 0));
    return count < 1 ? [] : [{ gateway: id, count, ratePerS: Math.max(1, ratePerS * part) | 0 }];
  });
}

/** How many a gateway lacks to its share; 0 when it is nearer to it than `gapPercent`. */
function lackOf({ count, share }: Load, gapPercent: number): number {
  const lack = share - count;
  return lack >= COUNT_MIN && lack * 100 >= share * gapPercent ? Math.floor(lack) : 0;
}

/** Whether its clients are on the move, or nobody knows how it is. */
function isBusy(entry: ProcessEntry, nowUs: number): boolean {
  const facts = decodeFacts(entry.facts);
  if (isSilent(entry, nowUs) || facts === undefined) return true;
  return facts.state !== ServingState.SERVING;
}

function readLoads(gateways: readonly ProcessEntry[], nowUs: number): Load[] {
  const grown = gateways.filter(({ startedUs }) => nowUs - startedUs >= GROWN_MS * 1000);
  const facts = grown.flatMap(({ id, facts: bytes }) => {
    const said = decodeFacts(bytes);
    return said === undefined ? [] : [{ id, said }];
  });
  const sums = new Map<string, { count: number; max: number }>();
  for (const { said } of facts) {
    const sum = sums.get(said.region) ?? { count: 0, max: 0 };
    sum.count += said.connectionCount;
    sum.max += said.connectionCountMax;
    sums.set(said.region, sum);
  }
  return facts.map(({ id, said }) => toLoad(id, said, sums.get(said.region)));
}

function toLoad(
  id: string,
  { region, connectionCount: count, connectionCountMax: max }: GatewayFacts,
  sum = { count: 0, max: 1 },
): Load {
  return { id, region, count, max, share: (sum.count * max) / Math.max(1, sum.max) };
}
