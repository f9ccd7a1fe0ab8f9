/**
 * Moves clients to other gateways: slot by slot, as plan.ts says, until all are told or gone.
 *
 * A client that was told and does not go (an old SDK, a sleeping phone) is closed some time after
 * its slot, so that such clients too come back one by one.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { GoAwayReason } from "../../proto/gen/tidegate/client/v1/session.ts";
import { type Connection, Phase } from "../connection.ts";
import type { GatewayContext } from "../context.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { assignSlot } from "./assign.ts";
import type { Directory } from "./directory.ts";
import { type MoveGroup, MoveGroups } from "./move-groups.ts";
import type { Peer } from "./peer.ts";
import { hasReceiver, planSlot, SLOT_MS } from "./plan.ts";
import { decideDrainReadMs } from "./read-every.ts";
import { SentCounts } from "./sent-counts.ts";

/** A client that was told has this long after its slot, ms: some tries to connect. */
export const LEAVE_GRACE_MS = 15_000;
/** A client that was told and is still there this long after its slot is late, ms. */
const LATE_MS = 2000;

/** What is to be moved, and how. */
export interface MoveOrder {
  readonly reason: GoAwayReason;
  /** Reconnects a second that all gateways that drain may cause together. */
  readonly ceilingPerS: number;
  /** Clients that are to go at most; Infinity for all. */
  readonly countMax: number;
  /** When the rest is closed, on the clock of performance.now(), ms; null: nobody is closed. */
  readonly deadlineMs: number | null;
  /** Which of the others may take them, besides what the plan looks at. */
  readonly mayTake: (peer: Peer) => boolean;
}

/** How far a move is. */
export interface MoveProgress {
  /** Clients that were told to go. */
  readonly toldCount: number;
  /** Clients that were closed because they had not gone. */
  readonly forcedCount: number;
  /** Since when nobody can take anybody, by performance.now(), ms; null: somebody can. */
  readonly stuckSinceMs: number | null;
}

export class Mover {
  readonly #context: GatewayContext;
  readonly #connections: ReadonlySet<Connection>;
  readonly #directory: Directory;
  readonly #order: MoveOrder;
  readonly #sent = new SentCounts();
  /** When each that was told is to have gone, and when it is closed. */
  readonly #told = new Map<Connection, { dueMs: number; closeMs: number }>();
  /** By group of clients that may go to the same gateways. */
  readonly #credits = new Map<string, number>();
  #toldCount = 0;
  #forcedCount = 0;
  #stuckSinceMs: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(
    context: GatewayContext,
    connections: ReadonlySet<Connection>,
    directory: Directory,
    order: MoveOrder,
  ) {
    this.#context = context;
    this.#connections = connections;
    this.#directory = directory;
    this.#order = order;
  }

  get progress(): MoveProgress {
    return {
      toldCount: this.#toldCount,
      forcedCount: this.#forcedCount,
      stuckSinceMs: this.#stuckSinceMs,
    };
  }

  /** Whether all that were to be told are told. */
  get isDone(): boolean {
    return this.#toldCount >= this.#order.countMax;
  }

  /** Begins; a slot a second from now on. */
  start(): void {
    this.#timer = setInterval(() => this.#turn(), SLOT_MS);
    this.#turn();
  }

  /** Tells nobody more, and closes nobody. */
  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#told.clear();
  }

  #turn(): void {
    const nowMs = performance.now();
    void this.#directory.refresh(decideDrainReadMs(this.#directory.peers.length));
    this.#closeOverdue(nowMs);
    const order = this.#order;
    const peers = this.#directory.peers.filter(order.mayTake);
    this.#sent.follow(peers);
    this.#stuckSinceMs = hasReceiver(peers) ? null : (this.#stuckSinceMs ?? nowMs);
    const groups = this.#waiting(peers, order.countMax - this.#toldCount);
    const waitingCount = groups.reduce((sum, { waiting }) => sum + waiting.length, 0);
    const drainingCount = 1 + peers.filter(({ isDraining }) => isDraining).length;
    const lateCount = this.#lateCount(nowMs);
    for (const group of groups) {
      const part = group.waiting.length / waitingCount;
      this.#moveGroup(group, { part, drainingCount, lateCount, nowMs });
    }
  }

  /** The next of a group; together the groups keep below the ceiling. */
  #moveGroup(
    { key, peers, waiting, isNarrow }: MoveGroup,
    turn: { part: number; drainingCount: number; lateCount: number; nowMs: number },
  ): void {
    const { deadlineMs, ceilingPerS } = this.#order;
    const { part, drainingCount, nowMs } = turn;
    const plan = planSlot({
      waitingCount: waiting.length,
      leftMs: deadlineMs === null ? null : deadlineMs - nowMs,
      ceilingPerS: ceilingPerS * part,
      drainingCount,
      credit: this.#credits.get(key) ?? 0,
      region: this.#context.options.region,
      peers,
      sent: this.#sent.all,
      lateCount: Math.round(turn.lateCount * part),
    });
    this.#credits.set(key, plan.credit);
    const chosen = waiting.slice(0, plan.count);
    const lists = chosen.map(({ targets }) => targets);
    const assigned = assignSlot(lists, plan.shares, !isNarrow, Math.random);
    for (const [i, connection] of chosen.entries()) {
      const assignment = assigned[i];
      if (assignment === undefined || assignment === null) continue; // in a later slot
      this.#sent.add(assignment.id, peers);
      this.#tell(connection, assignment.target, assignment.delayMs, nowMs);
    }
  }

  /** How many were told, and have not gone in time: they will still come to the receivers. */
  #lateCount(nowMs: number): number {
    let count = 0;
    for (const [connection, { dueMs }] of this.#told) {
      if (connection.phase !== Phase.CLOSED && nowMs - dueMs > LATE_MS) count += 1;
    }
    return count;
  }

  /** Those to be told next, the longest connected first, by where they may go. */
  #waiting(peers: readonly Peer[], countMax: number): readonly MoveGroup[] {
    const groups = new MoveGroups(this.#context.gates, peers);
    let count = 0;
    for (const connection of this.#connections) {
      if (count >= countMax) break;
      if (connection.phase !== Phase.OPEN || this.#told.has(connection)) continue;
      if (groups.add(connection)) count += 1;
    }
    return groups.all;
  }

  #tell(connection: Connection, target: string, delayMs: number, nowMs: number): void {
    const { deadlineMs, reason } = this.#order;
    const graceMs = delayMs + LEAVE_GRACE_MS;
    const lastMs = deadlineMs === null ? 0 : Math.max(1, Math.min(graceMs, deadlineMs - nowMs));
    const value = { reason, target, delayMs, deadlineMs: Math.ceil(lastMs) };
    this.#context.sender.send(connection, encodeServerFrame({ $case: "goAway", value }));
    const closeMs = deadlineMs === null ? Number.POSITIVE_INFINITY : nowMs + lastMs;
    this.#told.set(connection, { dueMs: nowMs + delayMs, closeMs });
    this.#toldCount += 1;
  }

  #closeOverdue(nowMs: number): void {
    for (const [connection, { closeMs }] of this.#told) {
      if (connection.phase === Phase.CLOSED) {
        this.#told.delete(connection); // it has gone
        continue;
      }
      if (closeMs > nowMs) continue;
      const detail = "this gateway is drained, and the time to go is over; connect again";
      this.#context.sender.close(connection, new CodedError("SERVER_STOPPING", detail));
      this.#told.delete(connection);
      this.#forcedCount += 1;
    }
  }
}
