/**
 * The leader's work on operations: turn by turn, read, decide, act, write.
 *
 * A turn follows each change: a record, the end of a move, a time that was set. decide-step.ts says
 * what is next for each operation, nextMoves (in move-runner.ts) which moves begin; this file only
 * carries it out. It keeps nothing that a next leader would miss.
 */
import type { ShardAdmin } from "../../bus/shard-admin.ts";
import { CodedError } from "../../proto/coded-error.ts";
import {
  type Operation,
  OperationState,
  SlotMoveState,
} from "../../proto/gen/tidegate/control/v1/operation.ts";
import type { Tracer } from "../../telemetry/tracing/tracer.ts";
import { parseShardName, parseSlotName, slotName } from "../fleet-names.ts";
import type { Log } from "../log.ts";
import type { PaceLimits } from "../placement/next-moves.ts";
import { MoveReason, type ShardState, type SlotMove } from "../placement/placement.ts";
import { decideStep } from "./decide-step.ts";
import type { LeaderRecords, WorkedOperation } from "./leader-records.ts";
import { type MoveEnd, MoveRunner } from "./move-runner.ts";
import { cutSentence, hasEnded } from "./operation-record.ts";
import { OperationTraces } from "./operation-traces.ts";
import { settleMoves } from "./settle-moves.ts";
import type { Snapshot, SnapshotSlot } from "./snapshot.ts";
import type { OperationWorkers } from "./worker.ts";
import { WorkerTurns } from "./worker-turns.ts";

/** Without any change, it looks at the fleet again this often while operations run, ms. */
const LOOK_EVERY_MS = 5000;
/** After a turn that the bus could not carry out, ms. */
const RETRY_MS = 1000;
/** Steps of one operation in one turn: more than any kind takes; the rest comes with the next. */
const STEP_COUNT_MAX = 8;
/** A plan is made from a snapshot that is younger than this, ms. */
const FRESH_MS = 250;

/** What the leader works with. */
export interface ConductorParts {
  readonly records: LeaderRecords;
  readonly shards: ShardAdmin;
  readonly limits: PaceLimits;
  readonly workers: OperationWorkers;
  readonly log: Log;
  readonly tracer: Tracer;
  readSnapshot(): Promise<Snapshot>;
  /** One slot, read now. */
  readSlot(slot: number): Promise<SnapshotSlot>;
  /** Changes a shard's state, whatever its revision; nothing happens when it is so already. */
  setShardState(shard: number, state: ShardState, operation: Operation): Promise<void>;
  /** Throws when this process does not lead any more. */
  mayAct(): void;
}

export class Conductor {
  readonly #parts: ConductorParts;
  readonly #runner: MoveRunner;
  readonly #workers: WorkerTurns;
  readonly #traces: OperationTraces;
  /** Of the last read, brought up to date by the moves that ended since. */
  #snapshot: { value: Snapshot; readMs: number } | null = null;
  readonly #unsure = new Set<number>();
  /** What the last move of a slot was undone by, and when it begins again; told in the record. */
  readonly #troubles = new Map<number, { readonly text: string; readonly retryTime: Date }>();
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #isWoken = false;
  #isStopped = false;

  constructor(parts: ConductorParts) {
    this.#parts = parts;
    this.#traces = new OperationTraces(parts.tracer);
    this.#runner = new MoveRunner({
      shards: this.#traces.traced(parts.shards, (slot) => this.#operationOf(slot)),
      limits: parts.limits,
      mayAct: () => parts.mayAct(),
      onEnd: (end) => this.#onMoveEnd(end),
      nowMs: () => performance.now(),
    });
    this.#workers = new WorkerTurns(parts.workers, {
      mayAct: () => parts.mayAct(),
      onTurn: (id, operation) => {
        parts.records.merge(id, operation);
        this.wake();
      },
      log: parts.log,
    });
  }

  /** Something has changed: a turn follows soon. */
  wake(): void {
    this.#isWoken = true;
    if (this.#running === null) this.#later(0);
  }

  /**
   * Begins nothing more, waits for what is moving and writes what is known.
   *
   * @param timeoutMs a move that takes longer is finished or undone by others.
   */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#workers.stop();
    await Promise.all([this.#runner.stop(timeoutMs), this.#running]);
    for (const { id } of this.#parts.records.list()) {
      await this.#write(id).catch(() => {}); // the next leader sees by the slots what has moved
    }
  }

  #later(ms: number): void {
    if (this.#isStopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#running !== null) return;
      this.#running = this.#guardedTurn().then((againMs) => {
        this.#running = null;
        if (this.#isWoken) this.#later(0);
        else if (againMs !== null) this.#later(againMs);
      });
    }, ms).unref();
  }

  async #guardedTurn(): Promise<number | null> {
    this.#isWoken = false;
    try {
      return await this.#turn();
    } catch (reason) {
      const error = CodedError.from(reason);
      if (error.code !== "UNAVAILABLE") {
        this.#parts.log.error({ err: error }, "a turn of the operations failed");
      }
      this.#snapshot = null;
      return RETRY_MS;
    }
  }

  /** @returns when to look again, ms; null: when woken. */
  async #turn(): Promise<number | null> {
    const { records } = this.#parts;
    this.#parts.mayAct();
    const waits: number[] = [];
    for (const { id } of records.list()) {
      if (this.#isStopped) return null;
      await this.#advance(id);
    }
    waits.push(this.#beginMoves());
    this.#workers.follow(records.list());
    for (const { id, operation } of records.list()) {
      const dueInMs = records.dueInMs(id, performance.now());
      if (dueInMs === 0 || hasEnded(operation)) await this.#write(id);
      else if (dueInMs !== null) waits.push(dueInMs);
    }
    return records.list().length === 0 ? null : Math.min(LOOK_EVERY_MS, ...waits);
  }

  /** Takes the steps of one operation, until it moves, waits or has ended. */
  async #advance(id: string): Promise<void> {
    const { records } = this.#parts;
    for (let step = 0; step < STEP_COUNT_MAX; step += 1) {
      const worked = this.#find(id);
      if (worked === undefined || this.#workers.isWorkers(worked.operation)) return;
      const settled = await this.#settle(worked.operation, step > 0);
      const others = records
        .list()
        .filter((other) => other.id !== id)
        .map(({ operation }) => operation);
      const snapshot = await this.#fresh(LOOK_EVERY_MS);
      const decided = decideStep(settled, { snapshot, others, nowMs: Date.now() });
      // A caller may have paused or aborted it while it was looked at.
      if (!records.set(id, decided.operation, worked.revision)) continue;
      if (decided.kind === "move" || decided.kind === "wait") return;
      this.#parts.mayAct();
      if (decided.kind === "put") {
        await this.#write(id);
        if (hasEnded(decided.operation)) return;
      } else {
        await this.#setShardState(worked, decided.operation, decided.shard, decided.state);
      }
    }
  }

  async #setShardState(
    { id, revision }: WorkedOperation,
    operation: Operation,
    shard: number,
    state: ShardState,
  ): Promise<void> {
    try {
      await this.#parts.setShardState(shard, state, operation);
    } catch (reason) {
      const error = CodedError.from(reason);
      if (error.code === "UNAVAILABLE" || error.code === "INTERNAL") throw error;
      // Something stands against it for now, such as a publish that is still looked up there.
      const detail = cutSentence(`waits: ${error.detail}`);
      this.#parts.records.set(id, { ...operation, detail }, revision);
    } finally {
      this.#snapshot = null;
    }
  }

  /** The operation with its moves as slots say; what is about to be planned is read anew. */
  async #settle(operation: Operation, isNew: boolean): Promise<Operation> {
    for (const slot of this.#unsure) {
      this.#note(await this.#parts.readSlot(slot));
      this.#unsure.delete(slot);
    }
    const settled = this.#withTroubles(
      settleMoves(operation, await this.#fresh(LOOK_EVERY_MS), this.#runner.moving),
    );
    if (settled.doneCount < settled.stepCount && !isNew) return settled;
    const snapshot = await this.#fresh(FRESH_MS);
    return this.#withTroubles(settleMoves(operation, snapshot, this.#runner.moving));
  }

  #withTroubles(operation: Operation): Operation {
    const moves = operation.moves.map((move) => {
      const { slot } = parseSlotName(move.slot, "slot");
      const begun = this.#runner.undoneCount(slot) + (move.state === SlotMoveState.PENDING ? 0 : 1);
      const attemptCount = Math.max(move.attemptCount, begun);
      const trouble = this.#troubles.get(slot);
      if (move.state === SlotMoveState.MOVED || trouble === undefined) {
        return { ...move, attemptCount };
      }
      const retryTime = move.state === SlotMoveState.PENDING ? trouble.retryTime : undefined;
      return { ...move, attemptCount, trouble: trouble.text, retryTime };
    });
    return { ...operation, moves };
  }

  /** Begins what may begin. @returns when to ask again, ms. */
  #beginMoves(): number {
    const claimed = new Set<number>();
    const pending: SlotMove[] = [];
    for (const { operation } of this.#parts.records.list()) {
      const isRunning = operation.state === OperationState.RUNNING;
      for (const move of operation.moves) {
        if (move.state === SlotMoveState.MOVED) continue;
        const { slot } = parseSlotName(move.slot, "slot");
        // The older operation's comes first.
        if (claimed.has(slot)) continue;
        claimed.add(slot);
        if (!isRunning || move.state !== SlotMoveState.PENDING) continue;
        const [from, to] = [move.fromShard, move.toShard].map((name) => shardOf(name));
        if (from === undefined || to === undefined) continue;
        pending.push({ slot, from, to, reason: MoveReason.balance });
      }
    }
    for (;;) {
      const decision = this.#runner.begin(pending);
      if (decision.kind === "start") continue;
      if (decision.kind === "ended" || decision.untilMs === null) return LOOK_EVERY_MS;
      return Math.max(1, decision.untilMs - performance.now());
    }
  }

  #onMoveEnd({ slot, to, error }: MoveEnd): void {
    if (error === null) {
      this.#note({ slot, owner: to, isOpen: true });
      this.#troubles.delete(slot);
    } else {
      this.#unsure.add(slot);
      const retryTime = new Date(Date.now() + this.#runner.retryInMs(slot));
      this.#troubles.set(slot, { text: cutSentence(error.detail), retryTime });
      const fields = { slot, shard: to, code: error.code, detail: error.detail };
      this.#parts.log.warn(fields, "a move of a slot was undone; it is begun again");
    }
    this.wake();
  }

  /** A slot as it is now, in the snapshot. */
  #note(slot: SnapshotSlot): void {
    if (this.#snapshot === null) return;
    const { value, readMs } = this.#snapshot;
    this.#snapshot = { value: { ...value, slots: withSlot(value.slots, slot) }, readMs };
  }

  /** The snapshot, not older than this. */
  async #fresh(ageMsMax: number): Promise<Snapshot> {
    const nowMs = performance.now();
    if (this.#snapshot !== null && nowMs - this.#snapshot.readMs < ageMsMax) {
      return this.#snapshot.value;
    }
    const value = await this.#parts.readSnapshot();
    this.#snapshot = { value, readMs: nowMs };
    return value;
  }

  /** Name of the oldest operation that moves the slot; empty for none. */
  #operationOf(slot: number): string {
    const name = slotName(slot);
    const isFor = ({ operation }: WorkedOperation) =>
      operation.moves.some((move) => move.slot === name && move.state !== SlotMoveState.MOVED);
    return this.#parts.records.list().find(isFor)?.operation.name ?? "";
  }

  #find(id: string): WorkedOperation | undefined {
    return this.#parts.records.list().find((each) => each.id === id);
  }

  async #write(id: string): Promise<void> {
    this.#parts.mayAct();
    const { operation } = this.#find(id) ?? {};
    const isWritten = await this.#parts.records.write(id, performance.now(), Date.now());
    if (!isWritten) this.wake();
    else if (operation !== undefined && hasEnded(operation)) this.#traces.ended(operation);
  }
}

function shardOf(name: string): number {
  return parseShardName(name, "shard").shard;
}

function withSlot(
  slots: ReadonlyMap<number, SnapshotSlot>,
  slot: SnapshotSlot,
): ReadonlyMap<number, SnapshotSlot> {
  return new Map(slots).set(slot.slot, slot);
}
