/**
 * The pace of moving clients away: how many are told to go in the next slot, and to whom.
 *
 * Pure. The receivers' comfort gives way to the deadline, and the deadline to the ceiling: late
 * clients are closed by force, but a fleet never gets more reconnects than it was set to take.
 */
import { freeCount, type Peer } from "./peer.ts";

/** Length of a slot, ms: clients told in it connect spread over it. */
export const SLOT_MS = 1000;
/**
 * Part of the ceiling that is used: tries that fail come again, and a second of somebody else's
 * clock may hold more than one of ours. With 0.8 the worst second of 20 000 reconnects was 1.02 of
 * the ceiling.
 */
const CEILING_SHARE = 0.75;
/** A drain aims to have told everybody this long before its deadline, ms: they need time to go. */
const LEAVE_MS = 3000;
/**
 * Connections a second that a gateway at rest takes: each costs some 1 ms with its token's
 * signature, joins and reads of what it missed, so this is half of a core.
 */
export const ACCEPT_RATE_MAX = 500;
/** Below this share of a core a gateway takes the full rate; at the next one none. */
const CPU_EASY = 0.6;
const CPU_FULL = 0.95;
/** Likewise for what its event loop is late, ms. */
const DELAY_EASY_MS = 30;
const DELAY_FULL_MS = 300;
/** Part of a slot that late ones take up at most: old clients that never go shall not stop it. */
const LATE_SHARE_MAX = 0.75;
/** Receivers that are reckoned with: those with most room. */
const RECEIVER_COUNT_MAX = 64;

/** What the plan of a slot rests on. */
export interface SlotFacts {
  /** Connections that are still to be told. */
  readonly waitingCount: number;
  /** Until the rest is closed by force, ms; null: it is not. */
  readonly leftMs: number | null;
  /** Reconnects a second that all who drain now may cause together. */
  readonly ceilingPerS: number;
  /** Gateways that drain now or will soon, this one included. */
  readonly drainingCount: number;
  /** What the slot before left over, below 1. */
  readonly credit: number;
  /** Region of this gateway: clients leave it only when nobody there has room. */
  readonly region: string;
  readonly peers: readonly Peer[];
  /** Connections that were sent to each in the last second, and since it said its facts. */
  readonly sent: ReadonlyMap<string, SentCount>;
  /** Connections that were told and have not gone in time. */
  readonly lateCount: number;
}

/** What a peer was sent by us. */
export interface SentCount {
  readonly perS: number;
  readonly sinceFacts: number;
}

/** A receiver's part of a slot. */
export interface Share {
  readonly id: string;
  /** Empty: it can be reached through the clients' own address only. */
  readonly url: string;
  readonly count: number;
}

/** What is to be done in a slot. */
export interface SlotPlan {
  /** The sum of the shares; 0 while nobody can take anybody. */
  readonly count: number;
  readonly shares: readonly Share[];
  readonly credit: number;
}

/** Plans the next slot. */
export function planSlot(facts: SlotFacts): SlotPlan {
  const receivers = chooseReceivers(facts);
  const slotS = SLOT_MS / 1000;
  const rates = receivers.map(({ freeCount, ratePerS }) => Math.min(freeCount / slotS, ratePerS));
  const capacity = rates.reduce((sum, rate) => sum + rate, 0);
  const room = receivers.reduce((sum, { freeCount }) => sum + freeCount, 0);
  if (room === 0) return { count: 0, shares: [], credit: 0 };
  const timeMs = facts.leftMs === null ? Infinity : Math.max(SLOT_MS, facts.leftMs - LEAVE_MS);
  const neededPerS = (facts.waitingCount * 1000) / timeMs;
  const ceilingPerS = (facts.ceilingPerS * CEILING_SHARE) / Math.max(1, facts.drainingCount);
  const ratePerS = Math.min(ceilingPerS, Math.max(capacity, neededPerS));
  const wanted = ratePerS * slotS + facts.credit;
  const whole = Math.floor(wanted);
  const fresh = Math.max(Math.ceil(whole * (1 - LATE_SHARE_MAX)), whole - facts.lateCount);
  const count = Math.min(fresh, facts.waitingCount, room);
  const shares = share(receivers, count, facts.waitingCount);
  const given = shares.reduce((sum, each) => sum + each.count, 0);
  return { count: given, shares, credit: Math.min(1, Math.max(0, wanted - Math.floor(wanted))) };
}

/** Whether anybody would take clients at all, fast or slowly. */
export function hasReceiver(peers: readonly Peer[]): boolean {
  return peers.some((peer) => peer.isServing && freeCount(peer) > 0);
}

/** How fast a gateway takes connections now, a second: less as CPU or event loop fill up. */
export function acceptRate({ cpuShare, loopDelayMs, connectRate }: Peer, sentPerS: number): number {
  const ease = Math.min(
    part(cpuShare, CPU_EASY, CPU_FULL),
    part(loopDelayMs, DELAY_EASY_MS, DELAY_FULL_MS),
  );
  // What others send it, by its own count.
  const foreignPerS = Math.max(0, connectRate - sentPerS);
  return Math.max(0, ACCEPT_RATE_MAX * ease - foreignPerS);
}

interface Receiver {
  readonly id: string;
  readonly url: string;
  readonly count: number;
  readonly countMax: number;
  readonly freeCount: number;
  readonly ratePerS: number;
}

function chooseReceivers({ peers, sent, region }: SlotFacts): Receiver[] {
  const able: (Receiver & { isNear: boolean })[] = [];
  for (const peer of peers) {
    const { perS, sinceFacts } = sent.get(peer.id) ?? { perS: 0, sinceFacts: 0 };
    const { id, url, connectionCountMax: countMax } = peer;
    const count = peer.connectionCount + sinceFacts;
    const ratePerS = acceptRate(peer, perS);
    const isNear = peer.region === region;
    if (!peer.isServing || count >= countMax) continue;
    able.push({ id, url, count, countMax, freeCount: countMax - count, ratePerS, isNear });
  }
  const near = able.filter(({ isNear }) => isNear);
  const chosen = near.length > 0 ? near : able;
  chosen.sort((a, b) => b.freeCount - a.freeCount || (a.id < b.id ? -1 : 1));
  return chosen.slice(0, RECEIVER_COUNT_MAX);
}

/**
 * Gives `count` to the receivers: first to those that will be emptier than the others when all is
 * moved (in a rolling restart: those that have restarted), up to the rate that each takes; then by
 * free room; what no rate allows, and the deadline wants, by free room alone.
 */
function share(receivers: readonly Receiver[], count: number, waitingCount: number): Share[] {
  const slotS = SLOT_MS / 1000;
  const rates = receivers.map(({ freeCount, ratePerS }) => Math.min(freeCount, ratePerS * slotS));
  const free = receivers.map(({ freeCount }) => freeCount);
  const given = receivers.map(() => 0);
  let left = count - pour(given, lacks(receivers, waitingCount), rates.map(Math.floor), count);
  left -= pour(given, free, rates.map(Math.ceil), left);
  pour(given, free, free, left);
  return receivers.flatMap(({ id, url }, i) => {
    const part = given[i] ?? 0;
    return part > 0 ? [{ id, url, count: part }] : [];
  });
}

/**
 * How much each lacks to the level that all have after `count` more: equal parts of their maximum.
 */
function lacks(receivers: readonly Receiver[], count: number): number[] {
  const byLevel = [...receivers].sort((a, b) => a.count / a.countMax - b.count / b.countMax);
  let held = 0;
  let max = 0;
  let level = 0;
  for (const receiver of byLevel) {
    if (max > 0 && receiver.count / receiver.countMax >= level) break;
    held += receiver.count;
    max += receiver.countMax;
    level = (held + count) / max;
  }
  return receivers.map((each) => Math.max(0, level * each.countMax - each.count));
}

/** Adds up to `count` to `given` by weight, nobody above its limit; returns how much it gave. */
function pour(
  given: number[],
  weights: readonly number[],
  limits: readonly number[],
  count: number,
): number {
  let left = count;
  while (left > 0) {
    const isOpen = (i: number) => (given[i] ?? 0) < (limits[i] ?? 0) && (weights[i] ?? 0) > 0;
    const open = given.flatMap((_, i) => (isOpen(i) ? [i] : []));
    const total = open.reduce((sum, i) => sum + (weights[i] ?? 0), 0);
    if (open.length === 0) break;
    const round = left;
    for (const i of open) {
      const fair = Math.max(1, Math.floor((round * (weights[i] ?? 0)) / total));
      const part = Math.min(fair, left, (limits[i] ?? 0) - (given[i] ?? 0));
      given[i] = (given[i] ?? 0) + part;
      left -= part;
    }
  }
  return count - left;
}

/** 1 up to `easy`, 0 from `full` on, and straight between. */
function part(value: number, easy: number, full: number): number {
  return Math.min(1, Math.max(0, (full - value) / (full - easy)));
}
