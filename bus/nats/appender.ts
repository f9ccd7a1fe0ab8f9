/**
 * Durable publishes: through the gate, past the probe where the slot has moved, to the shard, and
 * back as a position.
 *
 * R1 (names), R2 (old bytes are not sent), R4 (probe, and what a duplicate is). Ordering after
 * failures (R3) is the gateway's lane.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { AppendDone, MessageId } from "../bus.ts";
import type { Position } from "../position.ts";
import type { RoomAddress } from "../subjects.ts";
import type { PublishLimits } from "../void.ts";
import { AckTimes } from "./ack-times.ts";
import type { AppendMux } from "./append-mux.ts";
import { directGet } from "./direct-get.ts";
import { InOrder } from "./in-order.ts";
import { probe } from "./probe.ts";
import type { PublishGate } from "./publish-gate.ts";
import { type Route, shardsToProbe } from "./route.ts";
import { storedAt } from "./stream-api.ts";
import { epochOfSubject, inSubject, shardStream, timeStampUs } from "./wire.ts";

/** A replica that lags is asked again after these, ms, then the leader. */
const LAG_WAITS_MS = [5, 10, 25, 50] as const;
/** Hashes of rooms kept for message ids; when full, all are made anew. */
const ROOM_ID_COUNT_MAX = 10_000;

/** What publishing works with. */
export interface AppenderParts {
  readonly connection: NatsConnection;
  readonly mux: AppendMux;
  readonly gate: PublishGate;
  readonly limits: PublishLimits;
  /** An acknowledged message has this place. */
  onStored(room: RoomAddress, shard: number, epoch: number, seq: number): void;
  /** Nobody answers for the room's slot in this shard. */
  onNobody(room: RoomAddress, shard: number): void;
}

/** A publish on its way. */
interface Publish {
  readonly room: RoomAddress;
  readonly messageId: string;
  readonly firstSentUs: number;
  readonly envelope: Uint8Array;
  /** (producer, room): what order is kept for. */
  readonly orderKey: string;
  readonly answer: AppendDone;
}

export class Appender {
  readonly #parts: AppenderParts;
  readonly #times: AckTimes;
  readonly #answers = new InOrder();
  /** Publishes of slots that have moved: sent in order, whenever probes are answered. */
  readonly #sends = new InOrder();
  /** Hash of a room's token, part of its message ids. */
  readonly #roomIds = new Map<string, string>();

  constructor(parts: AppenderParts) {
    this.#parts = parts;
    this.#times = new AckTimes((shard, seq) => this.#readStored(shard, seq));
  }

  /** As Bus.append says. */
  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    const orderKey = room.token + id.producer;
    // Appends of one (producer, room) are answered in their order, whenever times are found.
    const answerInTurn = this.#answers.reserve(orderKey);
    const answer: AppendDone = (error, ack) => answerInTurn(() => done(error, ack));
    const messageId = this.#messageId(room, id);
    const publish = { room, messageId, firstSentUs, envelope, orderKey, answer };
    this.#parts.gate.enter(room.slot, {
      start: (route) => this.#start(publish, route),
      refuse: (error) => setImmediate(answer, error, null),
    });
  }

  /** A republished message was heard: it tells the time that its ack does not. */
  hear(shard: number, seq: number, timeUs: number): void {
    this.#times.hear(shard, seq, timeUs);
  }

  /** Resolves when every ack has its time. */
  idle(): Promise<void> {
    return this.#times.idle();
  }

  #start(publish: Publish, route: Route): void {
    const ageUs = Date.now() * 1000 - publish.firstSentUs;
    if (ageUs > this.#parts.limits.voidAfterUs) {
      const detail = `first sent ${Math.round(ageUs / 1e6)} s ago; it would be void (R2)`;
      setImmediate(() => this.#fail(publish, new CodedError("OUTCOME_UNKNOWN", detail)));
    } else if (route.record.sealed.length === 0) {
      this.#send(publish, route);
    } else {
      void this.#probeAndSend(publish, route);
    }
  }

  /** R4: first asks the shards that may have it. The publish counts as in flight meanwhile. */
  async #probeAndSend(publish: Publish, route: Route): Promise<void> {
    const { connection, limits } = this.#parts;
    const sendInTurn = this.#sends.reserve(publish.orderKey);
    try {
      let stored: Position | null = null;
      const nowUs = Date.now() * 1000;
      for (const shard of shardsToProbe(route, publish.firstSentUs, nowUs, limits.windowUs)) {
        stored ??= await probe(connection, shard, publish.room, publish.messageId);
      }
      sendInTurn(() => {
        if (stored === null) this.#send(publish, route);
        else this.#succeed(publish, stored, true);
      });
    } catch (error) {
      sendInTurn(() => this.#fail(publish, CodedError.from(error)));
    }
  }

  #send(publish: Publish, route: Route): void {
    const { mux, onNobody } = this.#parts;
    const { room, messageId, envelope } = publish;
    const { epoch, shard } = route.record;
    mux.append({
      shard,
      subject: inSubject(room, epoch),
      messageId,
      envelope,
      writeByMs: (publish.firstSentUs + this.#parts.limits.voidAfterUs) / 1000,
      onAck: (seq, isDuplicate) => {
        if (!isDuplicate) this.#parts.onStored(room, shard, epoch, seq);
        this.#times.find(shard, seq, isDuplicate, (stored) => {
          if (stored === null) this.#fail(publish, lost());
          else this.#settle(publish, shard, epoch, seq, stored, isDuplicate);
        });
      },
      onNobody: () => onNobody(room, shard),
      done: (error) => this.#fail(publish, error ?? lost()),
    });
  }

  #settle(
    publish: Publish,
    shard: number,
    epoch: number,
    seq: number,
    stored: { timeUs: number; subject: string },
    isDuplicate: boolean,
  ): void {
    const { room, firstSentUs } = publish;
    // The name is the shard's: a duplicate may be of an earlier epoch, or a probe's.
    const found = isDuplicate ? epochOfSubject(stored.subject, room) : epoch;
    const isShown = stored.timeUs - firstSentUs <= this.#parts.limits.voidAfterUs;
    if (found === null || !isShown) {
      const detail = "stored, but too late to be shown";
      this.#fail(publish, new CodedError("OUTCOME_UNKNOWN", detail));
      return;
    }
    // Its publisher may be dead: that it is there is said again (R7).
    if (isDuplicate) this.#parts.onStored(room, shard, found, seq);
    this.#succeed(publish, { epoch: found, seq, timeUs: stored.timeUs }, isDuplicate);
  }

  #succeed(publish: Publish, position: Position, isDuplicate: boolean): void {
    this.#parts.gate.leave(publish.room.slot);
    publish.answer(null, { ...position, isDuplicate });
  }

  #fail(publish: Publish, error: CodedError): void {
    this.#parts.gate.leave(publish.room.slot);
    publish.answer(error, null);
  }

  async #readStored(
    shard: number,
    seq: number,
  ): Promise<{ timeUs: number; subject: string } | null> {
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

  /** R1: the id's scope is the whole stream, so it names the room, and others see only hashes. */
  #messageId(room: RoomAddress, id: MessageId): string {
    let roomId = this.#roomIds.get(room.token);
    if (roomId === undefined) {
      roomId = createHash("sha256").update(room.token).digest("base64url").slice(0, 22);
      if (this.#roomIds.size >= ROOM_ID_COUNT_MAX) this.#roomIds.clear();
      this.#roomIds.set(room.token, roomId);
    }
    return `${roomId}.${Buffer.from(id.producer, "latin1").toString("base64url")}.${id.seq}`;
  }
}

function lost(): CodedError {
  return new CodedError("OUTCOME_UNKNOWN", "acknowledged, but it can not be found");
}
