/**
 * The bus on NATS: ephemeral messages by core publish, durable ones in shard streams with
 * RePublish.
 *
 * This file opens and closes it; durable-rooms.ts and ephemeral.ts are its two halves.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type {
  AnswerHandler,
  AppendDone,
  Bus,
  BusStatus,
  MessageId,
  ProcessName,
  ReadAfter,
  ReadBefore,
  ResumeStep,
  RoomListener,
  Unsubscribe,
} from "../bus.ts";
import { checkFloorCount, checkLimit, checkSlot } from "../check-arguments.ts";
import type { Journal } from "../journal.ts";
import type { KeyValue, KeyValueChange } from "../key-value.ts";
import { type Log, SILENT_LOG } from "../log.ts";
import type { Position } from "../position.ts";
import type { RoomAddress } from "../subjects.ts";
import type { Topology } from "../topology.ts";
import { type PublishLimits, publishLimits } from "../void.ts";
import { Buckets } from "./buckets.ts";
import { ClockCheck } from "./clock-check.ts";
import { connectNats, untilReady } from "./connect.ts";
import { DurableRooms } from "./durable-rooms.ts";
import { Ephemeral } from "./ephemeral.ts";
import { NatsInterest } from "./interest.ts";
import { openJournal } from "./journal-stream.ts";
import { NatsKeyValue } from "./key-value.ts";
import { type Lease, openLease } from "./lease.ts";
import { LEASE_BUCKET } from "./lease-records.ts";
import { type NatsBusOptions, validateNatsBusOptions } from "./options.ts";
import { Questions } from "./questions.ts";
import { Routes } from "./routes.ts";
import { NatsShards } from "./shard-admin.ts";
import { ShardRegistry } from "./shard-registry.ts";
import { ensureShards } from "./shards.ts";
import { withoutCredentials } from "./start-errors.ts";
import { NatsTopology } from "./topology.ts";
import { Troubles } from "./troubles.ts";

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
      const [control, leases] = await Promise.all([open(CONTROL_BUCKET), open(LEASE_BUCKET)]);
      const dedupeWindowMs = await ensureShards({ connection, control, lease }, options, log);
      const registry = new ShardRegistry(control, troubles);
      const routes = await Routes.watch(control, registry, troubles);
      return { control, leases, dedupeWindowMs, registry, routes };
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
  readonly control: NatsKeyValue;
  readonly leases: NatsKeyValue;
  /** R2's window. */
  readonly dedupeWindowMs: number;
  readonly registry: ShardRegistry;
  readonly routes: Routes;
}

export class NatsBus implements Bus {
  readonly kind = "nats";
  readonly publishLimits: PublishLimits;
  /** This process's right to publish (R12). */
  readonly lease: Lease;
  readonly topology: Topology;
  readonly shards: NatsShards;
  readonly journal: Journal;
  readonly #routes: Routes;
  readonly #troubles: Troubles;
  readonly #connection: NatsConnection;
  readonly #interest: NatsInterest;
  readonly #durable: DurableRooms;
  readonly #ephemeral: Ephemeral;
  readonly #cutOffListeners = new Set<(isCutOff: boolean) => void>();
  readonly #buckets: Buckets;
  readonly #clock: ClockCheck;
  readonly #questions: Questions;
  readonly #reads = new Set<Promise<unknown>>();
  #end: CodedError | null = null;
  #closed: Promise<void> | null = null;

  /** For {@link openNatsBus}. */
  constructor(parts: NatsBusParts) {
    const { connection, options, lease, registry, dedupeWindowMs, troubles } = parts;
    this.publishLimits = publishLimits(dedupeWindowMs * 1000);
    this.lease = lease;
    this.#routes = parts.routes;
    this.#troubles = troubles;
    this.#connection = connection;
    this.#buckets = new Buckets(connection, options.replicaCount);
    this.#clock = new ClockCheck(connection, () => registry.numbers(), troubles);
    this.#questions = new Questions(connection, lease.id);
    this.journal = openJournal(connection, lease, options, troubles);
    this.topology = new NatsTopology({
      ...{ ...parts, leaseTtlMs: options.leaseTtlMs },
      read: (read) => this.#read(read),
    });
    const interest = this.#makeInterest();
    this.#interest = interest;
    this.#durable = new DurableRooms({
      ...{ ...parts, interest, limits: this.publishLimits },
      linkRefusal: () => this.#ephemeral.link.refusal(),
      ask: (...question) => this.#questions.ask(...question),
    });
    this.shards = new NatsShards({
      ...{ ...parts, move: this.#durable.move, reconciler: this.#durable.reconciler },
      run: (act) => this.#read(act),
    });
    this.#ephemeral = new Ephemeral(
      connection,
      () => interest.rooms(),
      troubles,
      (isCutOff) => {
        this.#durable.release();
        for (const listener of this.#cutOffListeners) listener(isCutOff);
      },
    );
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
    this.#durable.appender.append(room, id, firstSentUs, envelope, done);
  }

  /**
   * R10: seals the slot's epoch and opens the next one, on another shard or on the same.
   *
   * @param shard where the next epoch is stored.
   * @throws {CodedError} `UNAVAILABLE`: not done, or finished or undone by others soon.
   */
  async advanceEpoch(slot: number, shard: number): Promise<void> {
    await this.#read(() => this.#durable.advanceEpoch(slot, shard));
  }

  subscribeRoom(room: RoomAddress, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    return this.#interest.subscribeRoom(room, listener);
  }

  subscribeSlot(slot: number, listener: RoomListener): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    checkSlot(slot);
    return this.#interest.subscribeSlot(slot, listener);
  }

  async readAfter(room: RoomAddress, after: Position | null, limit: number): Promise<ReadAfter> {
    const count = checkLimit(limit);
    return this.#read(() => this.#durable.history.readAfter(room, after, count));
  }

  async readBefore(room: RoomAddress, before: Position | null, limit: number): Promise<ReadBefore> {
    const count = checkLimit(limit);
    return this.#read(() => this.#durable.history.readBefore(room, before, count));
  }

  head(room: RoomAddress): Promise<Position | null> {
    return this.#read(() => this.#durable.history.head(room));
  }

  async floor(room: RoomAddress, count: number): Promise<Position | null> {
    checkFloorCount(count);
    return this.#read(() => this.#durable.history.floor(room, count));
  }

  keyValue(bucket: string): Promise<KeyValue> {
    if (this.#end !== null) return Promise.reject(this.#end);
    return this.#buckets.open(bucket);
  }

  async ask(
    process: string,
    kind: string,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    if (this.#end !== null) throw this.#end;
    return this.#questions.ask(process, kind, body, timeoutMs);
  }

  answer(kind: string, handle: AnswerHandler): Unsubscribe {
    if (this.#end !== null) throw this.#end;
    return this.#questions.answers.add(kind, handle);
  }

  hint(change: KeyValueChange): void {
    if (this.#end === null) this.#routes.hint(change);
  }

  status(): BusStatus {
    const counters = { ...this.#interest.counters(), ...this.#ephemeral.counters() };
    const lease = this.lease.isHeld ? null : this.lease.refusal();
    const refusal = this.#end ?? lease ?? this.#clock.fault;
    const troubles = this.#troubles.counts();
    if (refusal !== null) return { isConnected: false, detail: refusal.detail, counters, troubles };
    const server = withoutCredentials(this.#connection.getServer());
    const isConnected = this.#ephemeral.link.isUp && !this.#connection.isClosed();
    const { lagMs } = this.#ephemeral.link;
    return { isConnected, detail: `NATS at ${server}`, lagMs, counters, troubles };
  }

  get self(): ProcessName {
    return { id: this.lease.id, incarnation: this.lease.incarnation };
  }

  beforeResume(step: ResumeStep): void {
    this.lease.beforeResume(step);
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
    await Promise.all([this.#durable.close(closed), this.journal.close()]);
    this.#clock.close();
    this.#questions.close(closed);
    this.#ephemeral.close();
    this.#interest.close();
    await Promise.allSettled(this.#reads);
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

  #makeInterest(): NatsInterest {
    return new NatsInterest(this.#connection, {
      onHeard: (shard, seq, timeUs) => this.#durable.onHeard(shard, seq, timeUs),
      onTail: (heard, epoch, seq) => this.#durable.onTail(heard, epoch, seq),
      onEpoch: (heard, epoch) => this.#durable.onEpoch(heard, epoch),
      onLater: (heard, message) => this.#durable.onLater(heard, message),
      onJoined: (heard) => this.#durable.onJoined(heard),
      onLeft: (heard) => this.#ephemeral.closeRoom(heard),
      onEphemeral: (heard, bytes) => this.#ephemeral.take(heard, bytes),
      openEphemeral: (bytes) => this.#ephemeral.open(bytes),
      onForeign: (subject) => this.#troubles.note("foreign_message", () => ({ subject })),
      tick: () => this.#ephemeral.tick.now,
      isCounting: () => this.#ephemeral.isCounting,
    });
  }
}
