/**
 * Fan-out: one room message to every live local member, framed once, then one native publish.
 *
 * Hot path, once per message per room, nothing per recipient. Budget: one view, no closure
 * (bench fanout checks it). A socket over its limit drops out by `dropped` (lagging.ts).
 */
import type { DurableMessage } from "../bus/bus.ts";
import { isTraced } from "../bus/envelope.ts";
import type { Position } from "../bus/position.ts";
import { GapReason } from "../proto/gen/tidegate/client/v1/message.ts";
import type { Clock } from "./clock.ts";
import type { ClientJournal } from "./journal/client-journal.ts";
import type { Lagging } from "./lagging.ts";
import type { LocalRoom, RoomOutput } from "./local-room.ts";
import type { Log } from "./log.ts";
import type { MessageMeter } from "./metrics/message-meter.ts";
import type { PublishLog } from "./publish-log.ts";
import { encodeServerFrame, MessageFrameWriter } from "./server-frames.ts";
import type { DeliverTrace } from "./tracing/deliver-trace.ts";
import type { MessageTraces } from "./tracing/message-traces.ts";
import type { ReadTrace } from "./tracing/read-traces.ts";

/** Where frames to topics go. */
export interface TopicOutput {
  /** To every subscriber of a topic, as one binary message. */
  publish(topic: string, frame: Uint8Array): void;
  /** Its subscribers now. */
  subscriberCount(topic: string): number;
}

/** What a fan-out works with. */
export interface FanoutParts {
  readonly output: TopicOutput;
  readonly publishLog: PublishLog;
  readonly lagging: Lagging;
  readonly log: Log;
  readonly traces: MessageTraces;
  readonly journal: ClientJournal;
  readonly meter: MessageMeter;
  readonly clock: Clock;
}

export class Fanout implements RoomOutput {
  readonly #output: TopicOutput;
  readonly #publishLog: PublishLog;
  readonly #lagging: Lagging;
  readonly #log: Log;
  readonly #traces: MessageTraces;
  readonly #journal: ClientJournal;
  readonly #meter: MessageMeter;
  readonly #clock: Clock;
  readonly #writer = new MessageFrameWriter();
  /** Messages handed to topics. */
  messageCount = 0;
  /** Times members were told that messages were lost between gateways. */
  lossCount = 0;

  constructor({ output, publishLog, lagging, log, traces, journal, meter, clock }: FanoutParts) {
    this.#traces = traces;
    this.#output = output;
    this.#publishLog = publishLog;
    this.#lagging = lagging;
    this.#log = log;
    this.#journal = journal;
    this.#meter = meter;
    this.#clock = clock;
  }

  durable(
    room: LocalRoom,
    message: DurableMessage,
    before: Position | null,
    prevSeq: number,
  ): void {
    const { envelope, timeUs } = message;
    const startMs = this.#meter.isTimed(envelope) ? performance.now() : 0;
    this.#lagging.detachAll();
    this.#publishLog.push(
      room.alias,
      message.seq,
      before?.epoch ?? message.epoch,
      before?.seq ?? 0,
      before?.timeUs ?? 0,
    );
    const trace = isTraced(envelope)
      ? this.#traces.beginDeliver(room.address, envelope, message)
      : null;
    const traceparent = trace === null ? "" : trace.traceparent;
    const frame = this.#writer.durable(room.alias, message, prevSeq, envelope, traceparent);
    this.#handOver(room, envelope, frame, trace);
    if (startMs > 0) this.#time(envelope, timeUs, startMs);
  }

  ephemeral(room: LocalRoom, envelope: Uint8Array): void {
    const startMs = this.#meter.isTimed(envelope) ? performance.now() : 0;
    this.#lagging.detachAll();
    const count = room.ephemeralCount;
    this.#publishLog.push(room.alias, count, 0, count - 1, 0);
    const trace = isTraced(envelope)
      ? this.#traces.beginDeliver(room.address, envelope, null)
      : null;
    const traceparent = trace === null ? "" : trace.traceparent;
    const frame = this.#writer.ephemeral(room.alias, count, envelope, traceparent);
    this.#handOver(room, envelope, frame, trace);
    if (startMs > 0) this.#time(envelope, 0, startMs);
  }

  held(_room: LocalRoom, message: DurableMessage): void {
    if (isTraced(message.envelope)) this.#traces.noteArrival(message.envelope);
  }

  loss(room: LocalRoom, missedCount: number): void {
    this.lossCount += 1;
    this.#publishGap(room, GapReason.BUS, missedCount, null);
  }

  gap(room: LocalRoom, after: Position | null, reason: GapReason): void {
    this.#publishGap(room, reason, 0, after);
  }

  beginFill({ address, place }: LocalRoom, showing: DurableMessage | undefined): ReadTrace | null {
    return this.#traces.reads.beginFill(address, place, showing);
  }

  warn(room: LocalRoom, error: unknown, trace: ReadTrace | null): void {
    if (trace === null) this.#traces.reads.recordFailure("fill", room.address, error);
    else trace.fail(error);
    this.#log.warn({ room: room.address.room, error }, "filling a gap failed; trying again");
  }

  #handOver(
    room: LocalRoom,
    envelope: Uint8Array,
    frame: Uint8Array,
    trace: DeliverTrace | null,
  ): void {
    this.#output.publish(room.topic, frame);
    this.messageCount += 1;
    room.messageCount += 1;
    room.meter.takeFannedOut(envelope.length, room.memberCount, frame.length);
    if (trace === null) return;
    const recipients = this.#output.subscriberCount(room.topic);
    trace.fannedOut(frame.length, recipients, Math.max(0, room.memberCount - recipients));
  }

  #time(envelope: Uint8Array, storedUs: number, startMs: number): void {
    const stepUs = (performance.now() - startMs) * 1000;
    this.#meter.recordFanout(envelope, storedUs, this.#clock.nowUs(), stepUs);
  }

  #publishGap(
    room: LocalRoom,
    reason: GapReason,
    missedCount: number,
    after: Position | null,
  ): void {
    this.#lagging.detachAll();
    this.#journal.roomGap(room, reason, missedCount, after);
    this.#meter.noteGap("bus_deliver", reason, missedCount);
    const value = {
      roomAlias: room.alias,
      reason,
      missedCount: BigInt(missedCount),
      after: after === null ? undefined : wirePosition(after),
    };
    this.#output.publish(room.topic, encodeServerFrame({ $case: "gap", value }));
  }
}

/** A place that all but this message and later ones are at or before; of no message. */
export function justBefore({ epoch, seq, timeUs }: Position): Position {
  return { epoch, seq: seq - 1, timeUs };
}

/** A position as the generated code wants it. */
export function wirePosition(position: Position): { epoch: number; seq: bigint; timeUs: bigint } {
  return {
    epoch: position.epoch,
    seq: BigInt(position.seq),
    timeUs: BigInt(position.timeUs),
  };
}
