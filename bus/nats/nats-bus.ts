/**
 * The bus on NATS: ephemeral messages by core publish, durable ones in shard streams with
 * RePublish.
 *
 * Rules of docs/guarantees.md are named where they are kept: R1 here, R4 in append-mux.ts, R6 and
 * R9 in history.ts. Ordering after failures (R3) is the gateway's lane, the chain (R5) its local
 * room.
 */
import { createHash } from "node:crypto";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
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
import { AckTimes } from "./ack-times.ts";
import { AppendMux } from "./append-mux.ts";
import { connectNats, untilReady } from "./connect.ts";
import { directGet } from "./direct-get.ts";
import { Ephemeral } from "./ephemeral.ts";
import { RoomHistory } from "./history.ts";
import { InOrder } from "./in-order.ts";
import { isNewer, NatsInterest } from "./interest.ts";
import { NatsKeyValue } from "./key-value.ts";
import { type Lease, openLease } from "./lease.ts";
import { type NatsBusOptions, validateNatsBusOptions } from "./options.ts";
import {
  ensureShards,
  FIRST_EPOCH,
  type GroupRecord,
  ROUTING_BUCKET,
  writeAnchor,
} from "./shards.ts";
import { withoutCredentials } from "./start-errors.ts";
import { Sweep } from "./sweep.ts";
import { Tails } from "./tails.ts";
import { Troubles } from "./troubles.ts";
import { inSubject, shardStream } from "./wire.ts";

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
    const { group } = await untilReady(connection, async () => {
      const routing = await NatsKeyValue.open(connection, ROUTING_BUCKET, options.replicaCount);
      return ensureShards(connection, routing, options, log);
    });
    return new NatsBus(connection, options, group, lease, troubles);
  } catch (error) {
    await connection.close(); // the lease, if it was got, finds no responder and is taken over
    throw error;
  }
}

export class NatsBus implements Bus {
  readonly kind = "nats";
  readonly publishLimits: PublishLimits;
  /** This process's right to publish (R12). */
  readonly lease: Lease;
  readonly #troubles: Troubles;
  readonly #connection: NatsConnection;
  readonly #options: NatsBusOptions;
  readonly #shardCount: number;
  readonly #appends: AppendMux;
  readonly #history: RoomHistory;
  readonly #times: AckTimes;
  readonly #interest: NatsInterest;
  readonly #sweep: Sweep;
  readonly #tails: Tails;
  readonly #ephemeral: Ephemeral;
  readonly #cutOffListeners = new Set<(isCutOff: boolean) => void>();
  readonly #answers = new InOrder();
  readonly #buckets = new Map<string, Promise<KeyValue>>();
  /** Highest sequence seen of each shard. */
  readonly #seenSeqs: number[];
  /** Hash of a room's token, part of its message ids; dropped when full. */
  readonly #roomIds = new Map<string, string>();
  readonly #reads = new Set<Promise<unknown>>();
  #end: CodedError | null = null;
  #closed: Promise<void> | null = null;

  /** For {@link openNatsBus}. */
  constructor(
    connection: NatsConnection,
    options: NatsBusOptions,
    group: GroupRecord,
    lease: Lease,
    troubles: Troubles,
  ) {
    const { shardCount, dedupeWindowMs } = group;
    this.publishLimits = publishLimits(dedupeWindowMs * 1000);
    this.lease = lease;
    this.#troubles = troubles;
    this.#connection = connection;
    this.#options = options;
    this.#shardCount = shardCount;
    this.#seenSeqs = Array.from({ length: shardCount }, () => 0);
    const { name, inFlightMax } = options;
    const ackName = `${name}.${lease.incarnation}`;
    this.#appends = new AppendMux(connection, ackName, inFlightMax, () => lease.isHeld);
    lease.onChange(() => this.#appends.release());
    const placeOf = (room: RoomAddress) => this.#placeOf(room);
    const seenSeq = (shard: number) => this.#seenSeqs[shard] ?? 0;
    const onSeen = (shard: number, seq: number) => this.#see(shard, seq);
    this.#history = new RoomHistory(connection, placeOf, seenSeq);
    this.#times = new AckTimes((shard, seq) => this.#readTime(shard, seq));
    this.#interest = new NatsInterest(connection, {
      onHeard: (shard, seq, timeUs) => {
        this.#see(shard, seq);
        this.#times.hear(shard, seq, timeUs);
      },
      onTail: (heard, epoch, seq) => {
        if (!isNewer(heard, epoch, seq)) return;
        this.#see(placeOf(heard.room).shard, seq);
        this.#sweep.look(heard);
      },
      onJoined: (heard) => this.#sweep.settle(heard),
      onLeft: (heard) => this.#ephemeral.closeRoom(heard),
      onEphemeral: (heard, bytes) => this.#ephemeral.take(heard, bytes),
      openEphemeral: (bytes) => this.#ephemeral.open(bytes),
      tick: () => this.#ephemeral.tick.now,
    });
    const interest = this.#interest;
    this.#ephemeral = new Ephemeral(
      connection,
      () => interest.rooms(),
      troubles,
      (isCutOff) => {
        for (const listener of this.#cutOffListeners) listener(isCutOff);
      },
    );
    const anchor = (shard: number) => writeAnchor(connection, shard);
    const places = { placeOf, seenSeq, onSeen, writeAnchor: anchor };
    const { sweepMs } = options;
    this.#sweep = new Sweep({ connection, interest, shardCount, sweepMs, ...places });
    this.#tails = new Tails(connection, interest);
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
    const { voidAfterUs } = this.publishLimits;
    const ageUs = Date.now() * 1000 - firstSentUs;
    if (ageUs > voidAfterUs) {
      const detail = `first sent ${Math.round(ageUs / 1e6)} s ago; it would be void (R2)`;
      setImmediate(done, new CodedError("OUTCOME_UNKNOWN", detail), null);
      return;
    }
    const { epoch, shard } = this.#placeOf(room);
    // Appends of one (producer, room) are answered in their order, whenever times are found.
    const answerInTurn = this.#answers.reserve(room.token + id.producer);
    const answer: AppendDone = (error, ack) => answerInTurn(() => done(error, ack));
    const onAck = (seq: number, isDuplicate: boolean) => {
      this.#see(shard, seq);
      if (!isDuplicate) this.#tails.note(room, epoch, seq);
      this.#times.find(shard, seq, isDuplicate, (timeUs) => {
        if (timeUs === null || timeUs - firstSentUs > voidAfterUs) {
          answer(new CodedError("OUTCOME_UNKNOWN", "stored, but too late to be shown"), null);
        } else {
          answer(null, { epoch, seq, timeUs, isDuplicate });
        }
      });
    };
    const messageId = this.#messageId(room, id);
    const subject = inSubject(room, epoch);
    const writeByMs = (firstSentUs + voidAfterUs) / 1000;
    this.#appends.append({ subject, messageId, envelope, writeByMs, onAck, done: answer });
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
    let opened = this.#buckets.get(bucket);
    if (opened === undefined) {
      if (!/^[a-z][a-z0-9-]{0,31}$/.test(bucket)) {
        const detail = `bucket ${JSON.stringify(bucket)} is not [a-z][a-z0-9-]{0,31}`;
        return Promise.reject(new CodedError("REQUEST_INVALID", detail));
      }
      opened = NatsKeyValue.open(this.#connection, bucket, this.#options.replicaCount);
      this.#buckets.set(bucket, opened);
      opened.catch(() => this.#buckets.delete(bucket));
    }
    return opened;
  }

  status(): BusStatus {
    const counters = this.#ephemeral.counters();
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
    await Promise.all([this.#sweep.close(), this.#appends.close(closed)]);
    this.#tails.close();
    this.#ephemeral.close();
    await this.#times.idle();
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

  /** R1: the id's scope is the whole stream, so it names the room, and others see only hashes. */
  #messageId(room: RoomAddress, id: MessageId): string {
    let roomId = this.#roomIds.get(room.token);
    if (roomId === undefined) {
      roomId = createHash("sha256").update(room.token).digest("base64url").slice(0, 22);
      if (this.#roomIds.size >= 10_000) this.#roomIds.clear();
      this.#roomIds.set(room.token, roomId);
    }
    return `${roomId}.${Buffer.from(id.producer, "latin1").toString("base64url")}.${id.seq}`;
  }

  #placeOf(room: RoomAddress): { epoch: number; shard: number } {
    return { epoch: FIRST_EPOCH, shard: room.slot % this.#shardCount };
  }

  #see(shard: number, seq: number): void {
    if (seq > (this.#seenSeqs[shard] ?? 0)) this.#seenSeqs[shard] = seq;
  }

  async #readTime(shard: number, seq: number): Promise<number | null> {
    const query = { seq, batch: 1 };
    const { messages } = await directGet(this.#connection, shardStream(shard), query);
    return messages[0]?.seq === seq ? messages[0].timeUs : null;
  }
}

function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) {
    const detail = `limit is ${limit}; it must be 1 to ${READ_COUNT_MAX}`;
    throw new CodedError("REQUEST_INVALID", detail);
  }
  return Math.min(limit, READ_COUNT_MAX);
}
