/**
 * The routing record of a slot and its steps: R10, decided on plain data.
 *
 * Pure. open -> sealing -> removing -> open in the next epoch; sealing and removing may also go
 * back to open. Whoever writes does so by compare-and-set, so one of two wins.
 */
import {
  type SealedEpoch,
  SlotRoute,
  type SlotRoute as SlotRouteRecord,
  SlotState,
} from "../proto/gen/tidegate/bus/v1/slot_route.ts";
import { SLOT_COUNT } from "./subjects.ts";

/** First epoch of every slot. */
export const FIRST_EPOCH = 1;
/** A move gives up, or is finished by others, this long after its last step. Microseconds. */
export const MOVE_STEP_US = 3_000_000;
/** Clocks of ready machines differ by less (R2). Microseconds. */
const CLOCK_SKEW_US = 1_000_000;
/** A slot that moved more often within its retention has its oldest epochs given up. */
export const SEALED_COUNT_MAX = 64;

/** A routing record as this process knows it. */
export interface Route {
  readonly record: SlotRouteRecord;
  /** KV revision; 0: there is no record, the slot never moved. */
  readonly revision: number;
}

/**
 * The route of a slot whose group this process does not know: nothing is open there, and nothing
 * can be read.
 */
export const NO_ROUTE: Route = {
  record: {
    ...{ state: SlotState.UNSPECIFIED, epoch: 0, shard: -1, targetShard: 0 },
    ...{ deadlineUs: 0n, openedUs: 0n, wentBackwards: false, sealed: [] },
  },
  revision: 0,
};

/** An epoch of a slot: where its messages are. */
export interface EpochPlace {
  readonly epoch: number;
  readonly shard: number;
  /** Nothing of it stands behind this sequence; null while it is open. */
  readonly lastSeq: number | null;
  /** When it opened, microseconds since 1970-01-01 UTC; 0 for the first. */
  readonly openedUs: number;
}

/**
 * The route of a slot that never moved.
 *
 * @param firstShards of its group, at least one.
 */
export function firstRoute(slot: number, firstShards: readonly number[]): Route {
  const record: SlotRouteRecord = {
    state: SlotState.OPEN,
    epoch: FIRST_EPOCH,
    shard: firstShards[(slot % SLOT_COUNT) % firstShards.length] ?? -1,
    targetShard: 0,
    deadlineUs: 0n,
    openedUs: 0n,
    wentBackwards: false,
    sealed: [],
  };
  return { record, revision: 0 };
}

export function encodeRoute(record: SlotRouteRecord): Uint8Array {
  return SlotRoute.encode(record).finish();
}

/** The record in a value, or null when it is none. */
export function decodeRoute(value: Uint8Array): SlotRouteRecord | null {
  try {
    const record = SlotRoute.decode(value);
    const isKnown = record.state >= SlotState.OPEN && record.state <= SlotState.REMOVING;
    return isKnown && record.epoch >= FIRST_EPOCH ? record : null;
  } catch {
    return null; // the caller counts it and keeps the last good record
  }
}

/** Whether new durable publishes may be sent in the record's epoch. */
export function isOpen({ record }: Route): boolean {
  return record.state === SlotState.OPEN;
}

/** Whether a move of the slot has begun, and is not finished or undone. */
export function isMoving({ record: { state } }: Route): boolean {
  return state === SlotState.SEALING || state === SlotState.REMOVING;
}

/** Every epoch that is not forgotten, oldest first; the last is the open one. */
export function epochPlaces({ record }: Route): EpochPlace[] {
  const places = record.sealed.map(({ epoch, shard, lastSeq, openedUs }): EpochPlace => {
    return { epoch, shard, lastSeq: Number(lastSeq), openedUs: Number(openedUs) };
  });
  const { epoch, shard, openedUs } = record;
  places.push({ epoch, shard, lastSeq: null, openedUs: Number(openedUs) });
  return places;
}

/**
 * Of these, oldest first, those that may hold messages: an epoch that ended before `sinceUs` has
 * none left, and one whose shard was deleted is gone with it.
 *
 * @param isGone whether the shard that had an epoch, which ended at `endUs`, was deleted since.
 */
export function keptPlaces(
  places: readonly EpochPlace[],
  sinceUs: number,
  isGone: (shard: number, endUs: number) => boolean,
): EpochPlace[] {
  return places.filter(({ shard }, i) => {
    const endUs = places[i + 1]?.openedUs;
    return endUs === undefined || (endUs > sinceUs && !isGone(shard, endUs));
  });
}

/** R10 step 1: gateways hold publishes of the slot. */
export function startSealing(
  record: SlotRouteRecord,
  targetShard: number,
  wentBackwards: boolean,
  nowUs: number,
): SlotRouteRecord {
  const deadlineUs = BigInt(nowUs + MOVE_STEP_US);
  return { ...record, state: SlotState.SEALING, targetShard, wentBackwards, deadlineUs };
}

/** R10 step 2: the epoch leaves its shard's subject list. */
export function startRemoving(record: SlotRouteRecord, nowUs: number): SlotRouteRecord {
  return { ...record, state: SlotState.REMOVING, deadlineUs: BigInt(nowUs + MOVE_STEP_US) };
}

/** Back to open in the same epoch: nothing has changed. */
export function reopen(record: SlotRouteRecord): SlotRouteRecord {
  const none = { targetShard: 0, deadlineUs: 0n, wentBackwards: false };
  return { ...record, ...none, state: SlotState.OPEN };
}

/**
 * R10 step 4: the next epoch is open.
 *
 * @param lastSeq S, the sequence of the marker behind the epoch's last message.
 * @param retentionUs sealed epochs older than this hold no message any more.
 */
export function commit(
  record: SlotRouteRecord,
  lastSeq: number,
  nowUs: number,
  retentionUs: number,
): SlotRouteRecord {
  const { epoch, shard, openedUs, wentBackwards, targetShard } = record;
  const sealedUs = BigInt(nowUs);
  const ended: SealedEpoch = {
    ...{ epoch, shard, openedUs, sealedUs, wentBackwards },
    lastSeq: BigInt(lastSeq),
  };
  const kept = record.sealed.filter((each) => Number(each.sealedUs) > nowUs - retentionUs);
  return {
    ...reopen(record),
    epoch: epoch + 1,
    shard: targetShard,
    openedUs: sealedUs,
    sealed: [...kept, ended].slice(-SEALED_COUNT_MAX),
  };
}

/**
 * R4: the shards in which a publish may be stored already, in an epoch that was sealed since it was
 * first sent. The open epoch's own shard is left out: there the name itself is the answer.
 *
 * @param windowUs names are remembered this long, so a copy can not come later.
 */
export function shardsToProbe(
  route: Route,
  firstSentUs: number,
  nowUs: number,
  windowUs: number,
): number[] {
  const { shard: openShard, sealed } = route.record;
  const shards = new Set<number>();
  for (const { shard, sealedUs } of sealed) {
    if (shard === openShard || nowUs - Number(sealedUs) > windowUs) continue;
    if (firstSentUs <= Number(sealedUs) + CLOCK_SKEW_US) shards.add(shard);
  }
  return [...shards];
}

/**
 * Whether a message is part of the slot's history: what came into an epoch behind its end (R10),
 * which only a list that was wrong for a while lets happen (R11), is read by nobody.
 */
export function isReadable({ record }: Route, epoch: number, seq: number): boolean {
  const sealed = record.sealed.find((each) => each.epoch === epoch);
  return sealed === undefined || seq <= Number(sealed.lastSeq);
}
