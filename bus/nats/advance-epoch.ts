/**
 * R10: gives a slot its next epoch, on another shard or on the same one.
 *
 * On the same shard (A = B) it heals a history that went backwards (R9): the damaged epoch is
 * sealed and nothing is ever compared with it again. Each step is safe to die after; finish-move.ts
 * says what others do then.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { SlotRoute } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import type { KeyValue } from "../key-value.ts";
import { routeKey } from "../record-keys.ts";
import {
  commit,
  encodeRoute,
  isOpen,
  type Route,
  reopen,
  startRemoving,
  startSealing,
} from "../route.ts";
import type { MoveStep } from "../shard-admin.ts";
import { LeaseHolders } from "./holders.ts";
import type { NatsKeyValue } from "./key-value.ts";
import { type LockParts, MoverLock } from "./mover-lock.ts";
import type { Routes } from "./routes.ts";
import { awaitAcks, type Holders, shutOut } from "./seal-acks.ts";
import { addEpoch, makeRoom, removeEpoch } from "./shard-subjects.ts";
import { refusalCode, type StreamFacts, storeMarker, streamFacts } from "./stream-api.ts";
import { inSlotSubjects, sealSubject, shardStream } from "./wire.ts";

/** Tries to have every gateway acknowledge the seal; then those that do not are fenced. */
const SEAL_COUNT_MAX = 3;
/**
 * Before the next try the slot stays open for so long, ms, and twice as long before the one after
 * it: publishes that were held go out, and a gateway that is behind gets time.
 */
const SEAL_RETRY_MS = 1000;
/** JetStream: the stream is full, nothing was stored. */
const FULL = 10077;
/** Tries to have the old leader confirm the removal, within the step's deadline. */
const REMOVE_COUNT_MAX = 5;

/** What a move works with. */
export interface MoveParts extends LockParts {
  readonly control: NatsKeyValue;
  readonly routes: Routes;
  /** Leases: every process with one publishes, and must hold (R12). */
  readonly leases: KeyValue;
  /** Sends a gateway's clients elsewhere; not waited for. */
  tellToDrain(id: string): void;
  /** Name of this process. */
  readonly name: string;
  /** The longest any shard keeps messages, microseconds. */
  retentionUs(): number;
  /** Microseconds since 1970-01-01 UTC. */
  nowUs(): number;
  /** Aborted when this process ends: its moves stop where they are. */
  readonly ending: AbortSignal;
}

/** How a move is made. */
export interface MoveWish {
  /** The history of the epoch lost messages: members are told. */
  readonly wentBackwards?: boolean;
  /** Called before each act; throws when this mover may not act any more. */
  readonly mayAct?: () => void;
  /** Called once nobody else changes the shards; throws when the target may not have the slot. */
  readonly checkTarget?: () => Promise<void>;
  /** See ShardAdmin.moveSlot. */
  readonly onStep?: (step: MoveStep) => void;
}

/**
 * Seals the slot's epoch and opens the next one in `targetShard`.
 *
 * @returns the route that is open now.
 * @throws {CodedError} `UNAVAILABLE`: not done, or finished or undone by others soon; look again.
 */
export async function advanceEpoch(
  parts: MoveParts,
  slot: number,
  targetShard: number,
  wish: MoveWish = {},
): Promise<Route> {
  const { wentBackwards = false, mayAct = () => {}, checkTarget = async () => {} } = wish;
  const { onStep = () => {} } = wish;
  mayAct();
  const { shard } = (await parts.routes.refresh(slot)).record;
  const lock = await MoverLock.acquire(parts, [shard, targetShard]);
  try {
    await checkTarget();
    const route = await parts.routes.refresh(slot);
    if (!isOpen(route) || route.record.shard !== shard) {
      throw new CodedError("UNAVAILABLE", `slot ${slot} is being moved; try again`);
    }
    const { epoch } = route.record;
    const check = () => {
      if (parts.ending.aborted) throw new CodedError("UNAVAILABLE", "this process ends");
      lock.check();
      mayAct();
    };
    onStep("prepare");
    // Step 0: the next owner is ready; nobody publishes there yet.
    await addEpoch(parts.connection, targetShard, slot, epoch + 1, check);
    // Under the lock nobody else changes it until then.
    const known = await streamFacts(parts.connection, shardStream(shard));
    const record = (from: Route) =>
      startSealing(from.record, targetShard, wentBackwards, parts.nowUs());
    onStep("seal");
    const sealed = await LeaseHolders.follow(parts, (holders) =>
      seal(parts, holders, slot, route, record, check),
    );
    check();
    onStep("remove");
    const removing = await put(parts, slot, sealed, startRemoving(sealed.record, parts.nowUs()));
    const removed = await remove(parts, slot, removing.record, check, known);
    onStep("commit");
    return await commitMove(parts, slot, removing, check, removed);
  } finally {
    await lock.release();
  }
}

/**
 * Steps 3 and 4, which anybody may take once the epoch is gone from its shard's list.
 *
 * @param check is called before each of them; throws when it may not be taken any more.
 * @param removed what the shard's leader said when it had removed the epoch; null: it is asked.
 */
export async function commitMove(
  parts: MoveParts,
  slot: number,
  removing: Route,
  check = () => {},
  removed: StreamFacts | null = null,
): Promise<Route> {
  const { epoch, shard } = removing.record;
  const stream = shardStream(shard);
  for (let turn = 0; turn < REMOVE_COUNT_MAX; turn += 1) {
    const isTold = removed !== null && turn === 0;
    const before = isTold ? removed : await streamFacts(parts.connection, stream);
    const subject = sealSubject(shard, slot, epoch);
    check();
    const lastSeq = await markEnd(parts.connection, subject, stream);
    if (lastSeq === null) continue;
    const after = await streamFacts(parts.connection, stream);
    // A new leader may not have removed the epoch yet, and let something in behind the marker: the
    // same one must be without it before and after.
    const isListed = [before, after].some(({ config }) => {
      return config.subjects.includes(inSlotSubjects(slot, epoch));
    });
    if (isListed || after.leader !== before.leader) continue;
    const { nowUs, retentionUs } = parts;
    check();
    return put(parts, slot, removing, commit(removing.record, lastSeq, nowUs(), retentionUs()));
  }
  throw new CodedError("UNAVAILABLE", `slot ${slot}: epoch ${epoch} is not gone from ${stream}`);
}

/** @returns the marker's sequence; null when the shard was too full for it, which is mended now. */
async function markEnd(
  connection: NatsConnection,
  subject: string,
  stream: string,
): Promise<number | null> {
  try {
    return await storeMarker(connection, subject, "seal");
  } catch (error) {
    if (refusalCode(error) !== FULL) throw error;
    await makeRoom(connection, stream);
    return null;
  }
}

/**
 * Writes a record if it is still at the route's revision.
 *
 * @throws {CodedError} `UNAVAILABLE`: another was first, or it is unknown.
 */
export async function put(
  parts: MoveParts,
  slot: number,
  { revision }: Route,
  record: SlotRoute,
): Promise<Route> {
  const [key, value] = [routeKey(slot), encodeRoute(record)];
  const { control } = parts;
  try {
    const written =
      revision === 0
        ? await control.create(key, value)
        : await control.replace(key, value, revision);
    return parts.routes.learn(slot, { record, revision: written });
  } catch (error) {
    throw new CodedError("UNAVAILABLE", `the route of slot ${slot} was not changed`, error);
  }
}

/**
 * Step 1: gateways hold, settle and acknowledge. Back to open when one does not; then again, later.
 */
async function seal(
  parts: MoveParts,
  holders: Holders,
  slot: number,
  open: Route,
  sealingOf: (from: Route) => SlotRoute,
  check: () => void,
): Promise<Route> {
  let route = open;
  for (let turn = 1; ; turn += 1) {
    check();
    const sealing = await put(parts, slot, route, sealingOf(route));
    const silent = await awaitAcks(holders, sealing.revision, parts.ending);
    if (silent.length === 0) return sealing;
    check();
    if (turn === SEAL_COUNT_MAX) {
      await shutOut(holders, silent, sealing.revision);
      return sealing;
    }
    route = await put(parts, slot, sealing, reopen(sealing.record));
    const { ending: signal } = parts;
    await sleep(SEAL_RETRY_MS * 2 ** (turn - 1), null, { signal }).catch(check); // it ends
  }
}

/** Step 2: goes on only on the old leader's own answer. */
async function remove(
  parts: MoveParts,
  slot: number,
  { epoch, shard }: SlotRoute,
  check: () => void,
  known: StreamFacts | null,
): Promise<StreamFacts> {
  for (let turn = 1; ; turn += 1) {
    try {
      const list = turn === 1 ? known : null;
      return await removeEpoch(parts.connection, shard, slot, epoch, check, list);
    } catch (error) {
      if (turn === REMOVE_COUNT_MAX) throw error;
    }
  }
}
