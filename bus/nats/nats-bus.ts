/**
 * The bus on NATS: ephemeral messages by core publish, durable ones in shard streams with
 * RePublish.
 *
 * This file wires the parts; rules of docs/guarantees.md are named where they are kept: R1, R2 and
 * R4 in appender.ts, R5 in bus/chain.ts, R6 in epoch-reader.ts, R7 in tails.ts, R8 in sweep.ts, R9
 * in history.ts and heal.ts, R10 in advance-epoch.ts and publish-gate.ts, R12 in lease.ts. Ordering
 * after failures (R3) is the gateway's lane.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import {
  type AppendDone,
  type Bus,
  type BusStatus,
  type MessageId,
  READ_COUNT_MAX,
  type ReadAfter,
  type ReadBefore,
  type RoomListener,
  type Unsubscribe,
} from "../bus.ts";
import type { KeyValue } from "../key-value.ts";
import { type Log, SILENT_LOG } from "../log.ts";
import type { Position } from "../position.ts";
import { type RoomAddress, SLOT_COUNT } from "../subjects.ts";
import { type PublishLimits, publishLimits } from "../void.ts";
import { advanceEpoch, type MoveParts } from "./advance-epoch.ts";
import { AppendMux } from "./append-mux.ts";
import { Appender } from "./appender.ts";
import { Buckets } from "./buckets.ts";
import { connectNats, untilReady } from "./connect.ts";
import { Ephemeral } from "./ephemeral.ts";
import { FinishMoves } from "./finish-move.ts";
import { Healing } from "./heal.ts";
import { RoomHistory } from "./history.ts";
import { isNewer, NatsInterest } from "./interest.ts";
import { NatsKeyValue } from "./key-value.ts";
import { type Lease, openLease } from "./lease.ts";
import { LEASE_BUCKET } from "./lease-records.ts";
import { type NatsBusOptions, validateNatsBusOptions } from "./options.ts";
import { PublishGate } from "./publish-gate.ts";
import { epochPlaces, type Route } from "./route.ts";
import { ROUTING_BUCKET, Routes } from "./routes.ts";
import { ensureShards, type GroupRecord, writeAnchor } from "./shards.ts";
import { withoutCredentials } from "./start-errors.ts";
import { Sweep } from "./sweep.ts";
import { Tails } from "./tails.ts";
import { Troubles } from "./troubles.ts";

/** Highest count of {@link Bus.floor}: proto's HISTORY_COUNT_MAX. */
const FLOOR_COUNT_MAX = 100_000;

/**
 * Connects, and makes what does not exist yet.
 *
 * @param log is told what an operator should know.
 * @throws {CodedError} `OPTION_INVALID`, `UNAVAILABLE`, `BUS_UNSUITABLE`, `BUS_ACCESS_DENIED`,
 *   `GATEWAY_ID_IN_USE`.
 */
export async function openNatsBus(
  partial: Partial<NatsBusOptions>,
  log: Log = SILENT_LOG,
): Promise<NatsBus> {
  const options = validateNatsBusOptions(partial);
  const troubles = new Troubles(log);
  const connection = await connectNats(options, troubles);
  try {
    const lease = await openLease(connection, options);
    const found = await untilReady(connection, async () => {
      const open = (bucket: string) => NatsKeyValue.open(connection, bucket, options.replicaCount);
      const [routing, leases] = await Promise.all([open(ROUTING_BUCKET), open(LEASE_BUCKET)]);
      const { group, settings } = await ensureShards(connection, routing, options, log);
      return {
        routing,
        leases,
        group,
        settings,
        routes: await Routes.watch(routing, group.shardCount),
      };
    });
    return new NatsBus({ connection, options, lease, troubles, ...found });
  } catch (error) {
    await connection.close(); // the lease, if it was got, finds no responder and is taken over
    throw error;
  }
}

/** What {@link openNatsBus} has opened. */
interface NatsBusParts {
  readonly connection: NatsConnection;
  readonly options: NatsBusOptions;
  readonly lease: Lease;
  readonly troubles: Troubles;
  readonly routing: KeyValue;
  readonly leases: KeyValue;
  readonly group: GroupRecord;
  /** By shard. */
  readonly settings: readonly ShardSettings[];
  readonly routes: Routes;
}

export class NatsBus implements Bus {
  readonly kind = "nats";
  readonly publishLimits: PublishLimits;
  /** This process's right to publish (R12). */
  readonly lease: Lease;
  readonly #troubles: Troubles;
  readonly #connection: NatsConnection;
  readonly #options: NatsBusOptions;
  readonly #move: MoveParts;
  readonly #routes: Routes;
  readonly #gate: PublishGate;
  readonly #mux: AppendMux;
  readonly #appender: Appender;
  readonly #history: RoomHistory;
  readonly #interest: NatsInterest;
  readonly #sweep: Sweep;
  readonly #tails: Tails;
  readonly #ephemeral: Ephemeral;
  readonly #cutOffListeners = new Set<(isCutOff: boolean) => void>();
  readonly #finishMoves: FinishMoves;
  readonly #healing: Healing;
  readonly #buckets: Buckets;
  /** Highest sequence seen of each shard. */
  readonly #seenSeqs = new Map<number, number>();
  readonly #reads = new Set<Promise<unknown>>();
  #end: CodedError | null = null;
  #closed: Promise<void> | null = null;

  /** For {@link openNatsBus}. */
  constructor(parts: NatsBusParts) {
    const { connection, options, lease, routing, leases, group, routes, troubles } = parts;
    this.publishLimits = publishLimits(group.dedupeWindowMs * 1000);
    this.lease = lease;
    this.#troubles = troubles;
    this.#connection = connection;
    this.#options = options;
    this.#buckets = new Buckets(connection, options.replicaCount);
    this.#routes = routes;
    const { name } = options;
    const retentionUs = Math.max(...parts.settings.map((each) => Number(each.retentionMs) * 1000));
    const nowUs = () => Date.now() * 1000;
    this.#move = { connection, routing, routes, leases, name, retentionUs, nowUs };
    this.#gate = new PublishGate(routes, (revision) => lease.acknowledge(revision));
    const ackName = `${name}.${lease.incarnation}`;
    this.#mux = new AppendMux(connection, ackName, options.inFlightMax, () => lease.isHeld);
    this.#history = this.#makeHistory(parts.settings);
    this.#interest = this.#makeInterest();
    this.#tails = new Tails(connection, this.#interest);
    this.#ephemeral = new Ephemeral(
      connection,
      () => this.#interest.rooms(),
      troubles,
      (isCutOff) => {
        for (const listener of this.#cutOffListeners) listener(isCutOff);
      },
    );
    this.#appender = new Appender({
      connection,
      mux: this.#mux,
      gate: this.#gate,
      limits: this.publishLimits,
      onStored: (room, shard, epoch, seq) => {
        this.#see(shard, seq);
        this.#tails.note(room, epoch, seq);
      },
    });
    this.#healing = new Healing({
      move: this.#move,
      rooms: () => this.#interest.rooms(),
      onShardReset: (shard, lastSeq) => {
        this.#seenSeqs.set(shard, lastSeq);
        this.#sweep.forget(shard);
      },
    });
    this.#sweep = this.#makeSweep();
    this.#finishMoves = new FinishMoves(this.#move);
    routes.follow((slot, route, before) => this.#onRoute(slot, route, before));
    this.#followLease();
  }

  publish(room: RoomAddress, envelope: Uint8Array): void {
    if (this.#end !== null) throw this.#end;
    if (!this.lease.isHeld) throw this.lease.refusal();
    this.#ephemeral.publish(room, envelope);
  }

  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    this.#appender.append(room, id, firstSentUs, envelope, done);
  }

  /**
   * R10: seals the slot's epoch and opens the next one, on another shard or on the same.
   *
   * @param shard where the next epoch is stored.
   * @throws {CodedError} `UNAVAILABLE`: not done, or finished or undone by others soon.
   */
  async advanceEpoch(slot: number, shard: number): Promise<void> {
    await this.#read(() => advanceEpoch(this.#move, slot, shard));
  }

  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    return this.#interest.subscribeRoom(room, listener);
  }

  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    if (!Number.isInteger(slot) || slot < 0 || slot >= SLOT_COUNT) {
      throw new CodedError("REQUEST_INVALID", `slot ${slot} is not from 0 to ${SLOT_COUNT - 1}`);
    }
    return this.#interest.subscribeSlot(slot, listener);
  }

  async readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter> {
    const count = checkLimit(limit);
    return this.#read(() => this.#history.readAfter(room, after, count));
  }

  async readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore> {
    const count = checkLimit(limit);
    return this.#read(() => this.#history.readBefore(room, before, count));
  }

  head(room: RoomAddress): Promise<Position | null> {
    return this.#read(() => this.#history.head(room));
  }

  async floor(room: RoomAddress, count: number): Promise<Position | null> {
    if (!Number.isInteger(count) || count < 1 || count > FLOOR_COUNT_MAX) {
      const detail = `count is ${count}; it must be 1 to ${FLOOR_COUNT_MAX}`;
      throw new CodedError("REQUEST_INVALID", detail);
    }
    return this.#read(() => this.#history.floor(room, count));
  }

  keyValue(bucket: string): Promise<KeyValue> {
    if (this.#end !== null) return Promise.reject(this.#end);
    return this.#buckets.open(bucket);
  }

  status(): BusStatus {
    const counters = { ...this.#interest.counters(), ...this.#ephemeral.counters() };
    const refusal = this.#end ?? (this.lease.isHeld ? null : this.lease.refusal());
    if (refusal !== null) return { isConnected: false, detail: refusal.detail, counters };
    const server = withoutCredentials(this.#connection.getServer());
    const troubles = this.#troubles.counts();
    const isConnected = this.#ephemeral.link.isUp && !this.#connection.isClosed();
    return { isConnected, detail: `NATS at ${server}`, counters, troubles };
  }

  get isCutOff(): boolean {
    return this.#ephemeral.link.isCutOff;
  }

  followCutOff(listener: (isCutOff: boolean) => void): Unsubscribe {
    this.#cutOffListeners.add(listener);
    return () => this.#cutOffListeners.delete(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const closed = new CodedError("UNAVAILABLE", "the bus is closed");
    this.#end ??= closed;
    this.#gate.close(closed);
    this.#finishMoves.close();
    this.#healing.close();
    await Promise.all([this.#sweep.close(), this.#mux.close(closed)]);
    this.#tails.close();
    this.#ephemeral.close();
    this.#interest.close();
    await this.#appender.idle();
    await Promise.allSettled(this.#reads);
    this.#routes.close();
    await this.lease.close();
    await this.#connection.close();
  }

  /** Reads under way are waited for by close, since a closed connection never answers. */
  async #read<T>(read: () => Promise<T>): Promise<T> {
    if (this.#end !== null) throw this.#end;
    const promise = read();
    this.#reads.add(promise);
    try {
      return await promise;
    } finally {
      this.#reads.delete(promise);
    }
  }

  #makeHistory(settings: readonly ShardSettings[]): RoomHistory {
    return new RoomHistory({
      connection: this.#connection,
      epochsOf: (room) => epochPlaces(this.#routes.of(room.slot)),
      refreshRoute: (slot) => this.#routes.refresh(slot),
      seenSeq: (shard) => this.#seenSeq(shard),
      onLeaderSeq: (shard, lastSeq) => {
        if (lastSeq < this.#seenSeq(shard)) this.#healing.onBackwards(shard, lastSeq + 1);
      },
      roomMessageCountMax: (shard) => settings[shard]?.roomMessageCountMax ?? 0,
      retentionUs: (shard) => Number(settings[shard]?.retentionMs ?? 0) * 1000,
    });
  }

  #makeInterest(): NatsInterest {
    return new NatsInterest(this.#connection, {
      onHeard: (shard, seq, timeUs) => {
        this.#see(shard, seq);
        this.#appender.hear(shard, seq, timeUs);
      },
      onTail: (heard, epoch, seq) => {
        if (isNewer(heard, epoch, seq)) this.#sweep.look(heard);
      },
      onEpoch: ({ room }, epoch) => {
        if (epoch > this.#routes.of(room.slot).record.epoch) this.#gate.suspect(room.slot);
      },
      onLater: (heard, message) => this.#healing.onLater(heard, message),
      onJoined: (heard) => this.#sweep.settle(heard),
      onLeft: (heard) => this.#ephemeral.closeRoom(heard),
      onEphemeral: (heard, bytes) => this.#ephemeral.take(heard, bytes),
      openEphemeral: (bytes) => this.#ephemeral.open(bytes),
      tick: () => this.#ephemeral.tick.now,
      isCounting: () => this.#ephemeral.isCounting,
    });
  }

  #makeSweep(): Sweep {
    return new Sweep({
      connection: this.#connection,
      interest: this.#interest,
      sweepMs: this.#options.sweepMs,
      routeOf: (slot) => this.#routes.of(slot),
      seenSeq: (shard) => this.#seenSeq(shard),
      onSeen: (shard, seq) => this.#see(shard, seq),
      writeAnchor: (shard) => writeAnchor(this.#connection, shard),
      onBackwards: (shard, fromSeq) => this.#healing.onBackwards(shard, fromSeq),
    });
  }

  /** A slot has a new epoch: what is left of the one before is looked for at once. */
  #onRoute(slot: number, { record }: Route, before: Route): void {
    if (record.epoch === before.record.epoch) return;
    this.#sweep.forget(record.shard);
    this.#sweep.lookAtSlot(slot);
    const isLost = (epoch: number) =>
      record.sealed.some((each) => each.epoch >= epoch && each.wentBackwards);
    for (const heard of this.#interest.rooms()) {
      if (heard.room.slot !== slot || !isLost(heard.epoch)) continue;
      this.#interest.tellHistoryChanged(heard, this.#healing.isLost(heard));
    }
  }

  /** Nothing is sent while the lease is not held; before it is again, routes are read (R10). */
  #followLease(): void {
    let goOn: (() => void) | null = null;
    this.lease.beforeResume(() => this.#routes.reload());
    this.lease.onChange((state) => {
      if (state === "held") {
        goOn?.();
        goOn = null;
        this.#mux.release();
        this.#healing.onReconnect();
      } else {
        goOn ??= this.#gate.stopAll();
        this.#healing.onDisconnect();
      }
    });
  }

  #seenSeq(shard: number): number {
    return this.#seenSeqs.get(shard) ?? 0;
  }

  #see(shard: number, seq: number): void {
    if (seq > this.#seenSeq(shard)) this.#seenSeqs.set(shard, seq);
  }
}

function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    const detail = `limit is ${limit}; it must be 1 to ${READ_COUNT_MAX}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  return Math.min(limit, READ_COUNT_MAX);
}
