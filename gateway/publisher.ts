/**
 * Publishes to durable rooms: from the frame through the lane to the bus, and back as an ack.
 */
import type { AppendAck, Bus } from "../bus/bus.ts";
import type { RoomAddress } from "../bus/subjects.ts";
import { CodedError } from "../proto/coded-error.ts";
import type { Clock } from "./clock.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionLog } from "./connection-log.ts";
import type { MessageMeter } from "./metrics/message-meter.ts";
import { type LaneEffects, PublishLane } from "./publish-lane.ts";
import type { Sender } from "./sender.ts";
import { encodePublishAck } from "./server-frames.ts";
import type { MessageTraces } from "./tracing/message-traces.ts";
import type { PublishTrace } from "./tracing/publish-trace.ts";

/** Wait before a failed publish is tried again, ms. */
const RETRY_MS = 100;
/** Lanes that only remember a refusal are dropped at this interval, ms. */
const SWEEP_MS = 1000;

/**
 * Bytes of envelopes under way, of all connections. 64 MiB are 0.3 s at 200 MB/s; when the bus
 * takes nothing, what comes beyond it is refused at once with UNAVAILABLE, to be tried again, so
 * that publishes never pile up in memory.
 */
export const PUBLISH_BYTES_MAX = 64 * 1024 ** 2;

const full = `${PUBLISH_BYTES_MAX / 1024 ** 2} MiB of publishes wait for the bus; try again`;

/**
 * Lanes beyond which a refused publish of another room is not remembered: it ends as
 * OUTCOME_UNKNOWN, since its retry could be stored behind a later one. Some 40 MB, for 20 s; it
 * takes a client that floods ever new rooms while nothing is taken.
 */
export const LANE_COUNT_MAX = 50_000;

/** A durable publish on its way. */
interface PendingPublish {
  readonly connection: Connection;
  readonly requestId: number;
  readonly address: RoomAddress;
  readonly producer: string;
  readonly producerSeq: number;
  readonly firstSentUs: number;
  readonly startedUs: number;
  readonly envelope: Uint8Array;
  /** Null: not sampled. */
  readonly trace: PublishTrace | null;
}

const noBytes = new Uint8Array(0);

type Lane = PublishLane<PendingPublish>;

export class Publisher {
  readonly #bus: Bus;
  readonly #clock: Clock;
  readonly #sender: Sender;
  readonly #traces: MessageTraces;
  readonly #log: Pick<ConnectionLog, "error">;
  readonly #meter: MessageMeter;
  /** By producer and room; only while something is under way or remembered. */
  readonly #lanes = new Map<string, Lane>();
  readonly #sweep: NodeJS.Timeout;
  #bytes = 0;

  constructor(
    bus: Bus,
    clock: Clock,
    sender: Sender,
    traces: MessageTraces,
    log: Pick<ConnectionLog, "error">,
    meter: MessageMeter,
  ) {
    this.#traces = traces;
    this.#log = log;
    this.#meter = meter;
    this.#bus = bus;
    this.#clock = clock;
    this.#sender = sender;
    this.#sweep = setInterval(() => this.#dropIdle(), SWEEP_MS).unref();
  }

  /** Lanes with something under way or to remember. */
  get laneCount(): number {
    return this.#lanes.size;
  }

  /** Bytes of envelopes under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a checked publish, and counts it in `connection.inFlightCount` until it is answered.
   *
   * @param trace ended with its answer; null: not sampled.
   */
  submit(
    connection: Connection,
    requestId: number,
    address: RoomAddress,
    producerSeq: number,
    firstSentUs: number,
    envelope: Uint8Array,
    trace: PublishTrace | null = null,
  ): void {
    const { producer } = connection;
    const nowUs = this.#clock.nowUs();
    const ids = { connection, requestId, address, producer, producerSeq };
    const entry = { ...ids, firstSentUs, startedUs: nowUs, envelope, trace };
    connection.inFlightCount += 1;
    this.#bytes += envelope.length;
    if (this.#bytes > PUBLISH_BYTES_MAX) this.#refuse(entry, new CodedError("UNAVAILABLE", full));
    else this.#laneOf(producer + address.token).submit(entry, nowUs);
  }

  /**
   * Answers a checked publish with an error of retry advice "same"; R3: later ones of its producer
   * in this room are refused too until it comes again.
   */
  refuse(
    connection: Connection,
    requestId: number,
    address: RoomAddress,
    producerSeq: number,
    firstSentUs: number,
    error: CodedError,
  ): void {
    const { producer } = connection;
    const ids = { connection, requestId, address, producer, producerSeq };
    const entry = {
      ...ids,
      firstSentUs,
      startedUs: this.#clock.nowUs(),
      envelope: noBytes,
      trace: null,
    };
    connection.inFlightCount += 1; // the answer counts it off
    this.#refuse(entry, error);
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  #refuse(entry: PendingPublish, error: CodedError): void {
    const key = entry.producer + entry.address.token;
    if (this.#lanes.size < LANE_COUNT_MAX || this.#lanes.has(key)) {
      this.#laneOf(key).refuse(entry, error);
      return;
    }
    const detail = `${this.#lanes.size} rooms have publishes that are under way or were refused`;
    this.#answer(entry, new CodedError("OUTCOME_UNKNOWN", detail), null);
  }

  #laneOf(key: string): Lane {
    const known = this.#lanes.get(key);
    if (known !== undefined) return known;
    const made = this.#newLane(key);
    this.#lanes.set(key, made);
    return made;
  }

  #newLane(key: string): Lane {
    const effects: LaneEffects<PendingPublish> = {
      append: (entry) => this.#append(lane, key, entry),
      answer: (entry, error, ack) => this.#answer(entry, error, ack),
      retryLater: () => {
        setTimeout(() => lane.retry(this.#clock.nowUs()), RETRY_MS).unref();
      },
    };
    const lane: Lane = new PublishLane(effects, this.#bus.publishLimits);
    return lane;
  }

  #append(lane: Lane, key: string, entry: PendingPublish): void {
    if (entry.trace !== null) entry.trace.tried(entry.envelope.length);
    const id = { producer: entry.producer, seq: entry.producerSeq };
    const startMs = this.#meter.published.isTurn() ? performance.now() : 0;
    this.#bus.append(entry.address, id, entry.firstSentUs, entry.envelope, (error, ack) => {
      const nowUs = this.#clock.nowUs();
      if (ack?.isDuplicate === false) {
        this.#meter.of(entry.address.class).takePublished(entry.envelope.length);
        if (startMs > 0) this.#meter.published.record((performance.now() - startMs) * 1000);
      }
      lane.settle(entry, error, ack, nowUs);
      if (lane.isIdle(nowUs)) this.#lanes.delete(key);
    });
  }

  #answer(entry: PendingPublish, error: CodedError | null, ack: AppendAck | null): void {
    const { connection, requestId, trace } = entry;
    connection.inFlightCount -= 1;
    this.#bytes -= entry.envelope.length;
    if (error === null && ack !== null) {
      const traceId = trace === null ? "" : trace.traceId;
      this.#sender.sendAck(connection, encodePublishAck(requestId, ack, ack.isDuplicate, traceId));
      if (trace !== null) trace.sent(ack);
    } else if (error !== null) {
      if (trace !== null) trace.failed(error);
      const traceId = trace === null ? this.#recordRefusal(entry, error) : trace.traceId;
      if (error.code === "INTERNAL") {
        const fields = { error, room: entry.address.room, ...(traceId && { trace_id: traceId }) };
        this.#log.error(connection, fields, "publish failed");
      }
      this.#sender.sendError(connection, requestId, error, entry.address.room, traceId);
    }
  }

  #recordRefusal({ connection, address, startedUs }: PendingPublish, error: CodedError): string {
    const { room } = address;
    const refused = { connection, room, address, traceparent: "", startUs: startedUs };
    return this.#traces.recordRefusal(refused, error);
  }

  #dropIdle(): void {
    const nowUs = this.#clock.nowUs();
    for (const [key, lane] of this.#lanes) if (lane.isIdle(nowUs)) this.#lanes.delete(key);
  }
}
