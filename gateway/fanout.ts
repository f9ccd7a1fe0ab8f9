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
import type { ClientJournal } from "./journal/client-journal.ts";
import type { Lagging } from "./lagging.ts";
import type { LocalRoom, RoomOutput } from "./local-room.ts";
import type { Log } from "./log.ts";
import type { PublishLog } from "./publish-log.ts";
import { encodeServerFrame, MessageFrameWriter } from "./server-frames.ts";
import type { DeliverTrace } from "./tracing/deliver-trace.ts";
import type { MessageTraces } from "./tracing/message-traces.ts";

/** Where frames to topics go. */
export interface TopicOutput {
  /** To every subscriber of a topic, as one binary message. */
  publish(topic: string, frame: Uint8Array): void;
  /** Its subscribers now. */
  subscriberCount(topic: string): number;
}

export class Fanout implements RoomOutput {
  readonly #output: TopicOutput;
  readonly #publishLog: PublishLog;
  readonly #lagging: Lagging;
  readonly #log: Log;
  readonly #traces: MessageTraces;
  readonly #journal: ClientJournal;
  readonly #writer = new MessageFrameWriter();
  /** Messages handed to topics. */
  messageCount = 0;
  /** Times members were told that messages were lost between gateways. */
  lossCount = 0;

  constructor(
    output: TopicOutput,
    publishLog: PublishLog,
    lagging: Lagging,
    log: Log,
    traces: MessageTraces,
    journal: ClientJournal,
  ) {
    this.#traces = traces;
    this.#output = output;
    this.#publishLog = publishLog;
    this.#lagging = lagging;
    this.#log = log;
    this.#journal = journal;
  }

  durable(
    room: LocalRoom,
    message: DurableMessage,
    before: Position | null,
    prevSeq: number,
  ): void {
    this.#lagging.detachAll();
    this.#publishLog.push(
      room.alias,
      message.seq,
      before?.epoch ?? message.epoch,
      before?.seq ?? 0,
      before?.timeUs ?? 0,
    );
    const { envelope } = message;
    const trace = isTraced(envelope)
      ? this.#traces.beginDeliver(room.address, envelope, message)
      : null;
    const traceparent = trace === null ? "" : trace.traceparent;
    const frame = this.#writer.durable(room.alias, message, prevSeq, envelope, traceparent);
    this.#handOver(room, frame, trace);
  }

  ephemeral(room: LocalRoom, envelope: Uint8Array): void {
    this.#lagging.detachAll();
    const count = room.ephemeralCount;
    this.#publishLog.push(room.alias, count, 0, count - 1, 0);
    const trace = isTraced(envelope)
      ? this.#traces.beginDeliver(room.address, envelope, null)
      : null;
    const traceparent = trace === null ? "" : trace.traceparent;
    const frame = this.#writer.ephemeral(room.alias, count, envelope, traceparent);
    this.#handOver(room, frame, trace);
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

  warn(room: LocalRoom, error: unknown): void {
    this.#log.warn({ room: room.address.room, error }, "filling a gap failed; trying again");
  }

  #handOver(room: LocalRoom, frame: Uint8Array, trace: DeliverTrace | null): void {
    this.#output.publish(room.topic, frame);
    this.messageCount += 1;
    room.messageCount += 1;
    if (trace === null) return;
    const recipients = this.#output.subscriberCount(room.topic);
    trace.fannedOut(frame.length, recipients, Math.max(0, room.memberCount - recipients));
  }

  #publishGap(
    room: LocalRoom,
    reason: GapReason,
    missedCount: number,
    after: Position | null,
  ): void {
    this.#lagging.detachAll();
    this.#journal.roomGap(room, reason, missedCount, after);
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
