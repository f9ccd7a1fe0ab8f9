/**
 * Durable publishes: through the gate, past the probe where the slot has moved, to the shard, and
 * back as a position.
 *
 * R1 (names), R2 (old bytes are not sent), R4 (probe, and what a duplicate is). Ordering after
 * failures (R3) is the gateway's lane.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { AppendAck, AppendDone, MessageId } from "../bus.ts";
import type { Position } from "../position.ts";
import { isReadable, type Route, shardsToProbe } from "../route.ts";
import type { RoomAddress } from "../subjects.ts";
import type { PublishLimits } from "../void.ts";
import { AckTimes, type Stored, type TimeWaiter } from "./ack-times.ts";
import { type AppendLane, AppendLanes, type LaneEntry } from "./append-lanes.ts";
import type { Append, AppendMux } from "./append-mux.ts";
import { directGet } from "./direct-get.ts";
import { InOrder } from "./in-order.ts";
import { OwnRooms } from "./own-rooms.ts";
import { probe } from "./probe.ts";
import type { Held, PublishGate } from "./publish-gate.ts";
import { storedAt } from "./stream-api.ts";
import { epochOfSubject, shardStream, timeStampUs } from "./wire.ts";

/** A replica that lags is asked again after these, ms, then the leader. */
const LAG_WAITS_MS = [5, 10, 25, 50] as const;
/** What publishing works with. */
export interface AppenderParts {
  readonly connection: NatsConnection;
  readonly mux: AppendMux;
  readonly gate: PublishGate;
  readonly limits: PublishLimits;
  /** Whether a room is listened to for its members. */
  isHeard(token: string): boolean;
  /** An acknowledged message has this place. */
  onStored(room: RoomAddress, shard: number, epoch: number, seq: number): void;
  /** Nobody answers for the room's slot in this shard. */
  onNobody(room: RoomAddress, shard: number): void;
}

/**
 * A publish on its way. One object for all who answer it (gate, mux, times, lane), since each
 * closure would be another allocation a message.
 */
class Publish implements Held, Append, TimeWaiter, LaneEntry {
  readonly #appender: Appender;
  readonly lane: AppendLane;
  readonly messageId: string;
  readonly firstSentUs: number;
  readonly envelope: Uint8Array;
  readonly done: AppendDone;
  isAnswered = false;
  error: CodedError | null = null;
  ack: AppendAck | null = null;
  /** Where it was sent. */
  epoch = 0;
  shard = -1;
  subject = "";
  /** As acknowledged; 0 before. */
  seq = 0;
  isDuplicate = false;
  /** The mux's. */
  deadlineMs = 0;

  constructor(
    appender: Appender,
    lane: AppendLane,
    seq: number,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ) {
    this.#appender = appender;
    this.lane = lane;
    this.messageId = lane.idPrefix + seq;
    this.firstSentUs = firstSentUs;
    this.envelope = envelope;
    this.done = done;
  }

  get writeByMs(): number {
    return this.#appender.writeByMs(this.firstSentUs);
  }

  start(route: Route): void {
    this.#appender.start(this, route);
  }

  refuse(error: CodedError): void {
    this.lane.fail(this, error);
    setImmediate(() => this.lane.answer(this, error, null));
  }

  onAck(seq: number, isDuplicate: boolean): void {
    this.#appender.onAck(this, seq, isDuplicate);
  }

  onNobody(): void {
    this.#appender.onNobody(this);
  }

  onFail(error: CodedError): void {
    this.#appender.fail(this, error);
  }

  onStored(stored: Stored | null): void {
    this.#appender.settle(this, stored);
  }
}

export class Appender {
  readonly #parts: AppenderParts;
  readonly #times: AckTimes;
  readonly #lanes = new AppendLanes();
  readonly #ownRooms: OwnRooms;
  /** Publishes of slots that have moved: sent in order, whenever probes are answered. */
  readonly #sends = new InOrder();

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#times = new AckTimes((shard, seq) => this.#readStored(shard, seq));
    this.#ownRooms = new OwnRooms(parts.connection, parts.isHeard, (shard, seq, timeUs) =>
      this.#times.hear(shard, seq, timeUs),
    );
  }

  /** As Bus.append says. Hot path. Budget: one object, one text and one buffer (bench micro). */
  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    const lane = this.#lanes.of(room, id.producer);
    const publish = new Publish(this, lane, id.seq, firstSentUs, envelope, done);
    lane.push(publish);
    this.#parts.gate.enter(room.slot, publish);
  }

  /** A republished message was heard: it tells the time that its ack does not. */
  hear(shard: number, seq: number, timeUs: number): void {
    this.#times.hear(shard, seq, timeUs);
  }

  /** Resolves when every ack has its time. */
  async idle(): Promise<void> {
    await this.#times.idle();
    this.#lanes.close();
    this.#ownRooms.close();
  }

  /** R2: when a publish must not be written any more, ms since 1970-01-01 UTC. */
  writeByMs(firstSentUs: number): number {
    return (firstSentUs + this.#parts.limits.voidAfterUs) / 1000;
  }

  /** The gate lets a publish go on. */
  start(publish: Publish, route: Route): void {
    const ageUs = Date.now() * 1000 - publish.firstSentUs;
    if (ageUs > this.#parts.limits.voidAfterUs) {
      const detail = `first sent ${Math.round(ageUs / 1e6)} s ago; it would be void (R2)`;
      setImmediate(() => this.#refuse(publish, new CodedError("OUTCOME_UNKNOWN", detail)));
    } else if (publish.lane.isFailing) {
      publish.lane.fail(publish, behind());
      setImmediate(() => this.#refuse(publish, behind()));
    } else if (route.record.sealed.length === 0) {
      this.#send(publish, route);
    } else {
      void this.#probeAndSend(publish, route);
    }
  }

  /** The shard has it. */
  onAck(publish: Publish, seq: number, isDuplicate: boolean): void {
    const { shard, epoch, lane } = publish;
    publish.seq = seq;
    publish.isDuplicate = isDuplicate;
    if (!isDuplicate) this.#parts.onStored(lane.room, shard, epoch, seq);
    this.#times.find(shard, seq, isDuplicate, publish);
  }

  /** Nobody answers for the slot. */
  onNobody({ lane, shard }: Publish): void {
    this.#parts.onNobody(lane.room, shard);
  }

  /** A publish that was sent has failed. */
  fail(publish: Publish, error: CodedError): void {
    this.#times.settle(publish.shard);
    this.#refuse(publish, error);
  }

  /** What is known of an acknowledged publish. */
  settle(publish: Publish, stored: Stored | null): void {
    if (stored === null) {
      this.fail(publish, new CodedError("OUTCOME_UNKNOWN", "acknowledged, but not to be found"));
      return;
    }
    const { lane, shard, seq, isDuplicate, firstSentUs } = publish;
    // The name is the shard's: a duplicate may be of an earlier epoch, or a probe's.
    const epoch = isDuplicate ? epochOfSubject(stored.subject, lane.room) : publish.epoch;
    const isShown = stored.timeUs - firstSentUs <= this.#parts.limits.voidAfterUs;
    if (epoch === null || !isShown) {
      this.fail(publish, new CodedError("OUTCOME_UNKNOWN", "stored, but too late to be shown"));
      return;
    }
    // Its publisher may be dead: that it is there is said again (R7).
    if (isDuplicate) this.#parts.onStored(lane.room, shard, epoch, seq);
    this.#times.settle(shard);
    this.#succeed(publish, { epoch, seq, timeUs: stored.timeUs, isDuplicate });
  }

  /** R4: first asks the shards that may have it. The publish counts as in flight meanwhile. */
  async #probeAndSend(publish: Publish, route: Route): Promise<void> {
    const { connection, limits } = this.#parts;
    const { lane, messageId, firstSentUs } = publish;
    const sendInTurn = this.#sends.reserve(lane.idPrefix);
    try {
      let stored: Position | null = null;
      const nowUs = Date.now() * 1000;
      for (const shard of shardsToProbe(route, firstSentUs, nowUs, limits.windowUs)) {
        stored ??= await probe(connection, shard, lane.room, messageId);
      }
      if (stored !== null && !isReadable(route, stored.epoch, stored.seq)) {
        throw new CodedError("OUTCOME_UNKNOWN", "stored behind the end of its epoch");
      }
      sendInTurn((hasFailed) => {
        const isRefused = stored === null && hasFailed;
        if (stored !== null) this.#succeed(publish, { ...stored, isDuplicate: true });
        else if (hasFailed) this.#refuse(publish, behind());
        else this.#send(publish, route);
        return isRefused;
      });
    } catch (error) {
      sendInTurn(() => {
        this.#refuse(publish, CodedError.from(error));
        return true;
      });
    }
  }

  #send(publish: Publish, { record }: Route): void {
    const { epoch, shard } = record;
    publish.epoch = epoch;
    publish.shard = shard;
    publish.subject = publish.lane.subject(epoch);
    this.#times.expect(shard);
    this.#ownRooms.use(publish.lane.room);
    this.#parts.mux.append(publish);
  }

  #succeed(publish: Publish, ack: AppendAck): void {
    this.#parts.gate.leave(publish.lane.room.slot);
    publish.lane.answer(publish, null, ack);
  }

  #refuse(publish: Publish, error: CodedError): void {
    this.#parts.gate.leave(publish.lane.room.slot);
    publish.lane.answer(publish, error, null);
  }

  async #readStored(shard: number, seq: number): Promise<Stored | null> {
    const { connection } = this.#parts;
    const query = { seq, batch: 1 };
    // R6: a replica that does not have it lags. It is there: it was acknowledged.
    for (const waitMs of LAG_WAITS_MS) {
      const { messages } = await directGet(connection, shardStream(shard), query);
      if (messages[0]?.seq === seq) return messages[0];
      await sleep(waitMs);
    }
    const stored = await storedAt(connection, shardStream(shard), seq);
    return stored === null ? null : { ...stored, timeUs: timeStampUs(stored.time) };
  }
}

/** R3: what is sent behind a publish that failed would overtake it. */
function behind(): CodedError {
  return new CodedError("UNAVAILABLE", "a publish before it was not sent; nothing was stored");
}
