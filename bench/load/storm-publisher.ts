/**
 * One connection that publishes numbers to many rooms in turn, at a steady pace, without joining.
 */
import { randomBytes } from "node:crypto";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { monotonicUs } from "./clock.ts";
import { dueCount } from "./pace.ts";
import { PAYLOAD_BYTES, stampPayload } from "./payload.ts";
import { PublishWriter, readAckRequestId } from "./publish-writer.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import type { StormPublishPlan } from "./storm-protocol.ts";
import { helloFrame } from "./tidegate-adapter.ts";

/** Publishes that are due are written this often, ms. */
const TICK_MS = 2;

export class StormPublisher implements SocketEvents {
  readonly #plan: StormPublishPlan;
  readonly #socket: BenchSocket;
  // No marker: members read frames as a whole, for their positions.
  readonly #payload = Buffer.alloc(PAYLOAD_BYTES, "tidegate ");
  readonly #writers: PublishWriter[] = [];
  readonly #acked: number[] = [];
  readonly #onReady: () => void;
  #onStopped: ((last: Record<string, number>) => void) | null = null;
  #serverOffsetUs = 0;
  #sentCount = 0;
  #ackedCount = 0;
  #failedCount = 0;
  #timer: NodeJS.Timeout | null = null;
  /** What went wrong; a storm with any of it is void. */
  readonly reasons: string[] = [];

  constructor(plan: StormPublishPlan, shared: ReadBuffer, onReady: () => void) {
    this.#plan = plan;
    this.#onReady = onReady;
    this.#payload.writeUInt32LE(0, 0);
    for (let i = 0; i < plan.roomCount; i += 1) {
      this.#writers.push(
        new PublishWriter(stormRoom(plan.class, plan.firstRoom + i), this.#payload),
      );
      this.#acked.push(0);
    }
    this.#socket = new BenchSocket(new URL(plan.url), "tidegate.v1", 0, shared, this);
  }

  /** Publishes no more; `onStopped` gets the last number of each room. */
  stop(onStopped: (last: Record<string, number>) => void): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#onStopped = onStopped;
    this.#stopWhenAcked();
  }

  reset(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#socket.reset();
  }

  onOpen(): void {
    this.#socket.send(helloFrame(randomBytes(16)));
  }

  onRead(): void {}

  onDelivery(): void {}

  onFrame(content: Uint8Array): void {
    const requestId = readAckRequestId(content);
    if (requestId > 0) {
      const room = (requestId - 1) % this.#plan.roomCount;
      const number = Math.floor((requestId - 1) / this.#plan.roomCount) + 1;
      this.#acked[room] = Math.max(this.#acked[room] ?? 0, number);
      this.#ackedCount += 1;
      this.#stopWhenAcked();
      return;
    }
    const { frame } = ServerFrame.decode(content);
    if (frame?.$case === "welcome") {
      this.#serverOffsetUs = Number(frame.value.serverTimeUs) - monotonicUs();
      this.#begin();
      this.#onReady();
    } else if (frame?.$case === "error") {
      this.#failedCount += 1;
      const reason = `publishes failed: ${frame.value.code}: ${frame.value.message}`;
      if (!this.reasons.includes(reason)) this.reasons.push(reason);
    }
  }

  onBroken(reason: string): void {
    this.reasons.push(`a publisher's connection broke: ${reason}`);
  }

  #begin(): void {
    const startUs = monotonicUs();
    this.#timer = setInterval(() => {
      const { ratePerS } = this.#plan;
      const due = dueCount(monotonicUs() - startUs, ratePerS, Number.MAX_SAFE_INTEGER);
      for (; this.#sentCount < due; this.#sentCount += 1) this.#publish(this.#sentCount);
    }, TICK_MS);
  }

  #publish(index: number): void {
    const { roomCount } = this.#plan;
    const writer = this.#writers[index % roomCount];
    if (writer === undefined) return;
    const number = Math.floor(index / roomCount) + 1;
    const nowUs = monotonicUs();
    stampPayload(this.#payload, 0, number, nowUs);
    const frame = Buffer.allocUnsafe(writer.frameBytesMax);
    const firstSentUs = Math.floor(nowUs + this.#serverOffsetUs);
    const end = writer.write(frame, 0, index + 1, number, firstSentUs);
    this.#socket.send(frame.subarray(0, end));
  }

  #stopWhenAcked(): void {
    const isSettled = this.#ackedCount + this.#failedCount >= this.#sentCount;
    if (this.#onStopped === null || !isSettled) return;
    const { class: roomClass, firstRoom } = this.#plan;
    const rows = this.#acked.map((number, i) => [stormRoom(roomClass, firstRoom + i), number]);
    const onStopped = this.#onStopped;
    this.#onStopped = null;
    onStopped(Object.fromEntries(rows) as Record<string, number>);
  }
}

/** Name of a room of the storm bench. */
export function stormRoom(roomClass: string, number: number): string {
  return `${roomClass}:storm-${number}`;
}
