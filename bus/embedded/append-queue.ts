/**
 * Gathers appends into batches, sends them to the worker, and settles them in order.
 *
 * A batch is what one loop turn appended, or what came while two commits were under way: one being
 * written and one waiting behind it keep the disk busy, more would only make commits smaller.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { AppendDone, DurableMessage, MessageId } from "../bus.ts";
import type { RoomAddress } from "../subjects.ts";
import {
  AppendBatch,
  BATCH_BYTES,
  ENVELOPE_BYTES_MAX,
  type RecordView,
  Refusal,
  recordBytes,
} from "./append-batch.ts";
import type { BatchMessage } from "./worker-protocol.ts";

/** Appends that wait for their ack at most; more are refused `UNAVAILABLE`. */
export const PENDING_COUNT_MAX = 131_072;
/** Bytes of the same; 64 MB is what a stalled disk may cost in memory. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/**
 * Sends follow each other after this, ms. A trickle of 5 000 a second became 2 000 commits, each
 * with its fsync and messages between the threads; gathered, they take a quarter less of a core. An
 * append after a pause waits for nothing.
 */
const GATHER_MS = 3;
/** Sends that wait for their answer before the next batch is held back. */
const sentCountMax = 2;
/** Buffers kept for the next batches. */
const spareCountMax = 4;

/** Sends batches to the store. */
export interface BatchSender {
  sendAppends(batches: readonly BatchMessage[], transfer: ArrayBuffer[], fence: number): void;
}

/** Takes a stored message before its ack is given. */
export type Deliver = (room: RoomAddress, message: DurableMessage) => void;

export class AppendQueue {
  readonly #sender: BatchSender;
  readonly #deliver: Deliver;
  /** The batch being filled, and full ones before it. */
  #gathering: AppendBatch;
  #full: AppendBatch[] = [];
  /** Sent batches without an answer, oldest first. */
  readonly #sent: AppendBatch[] = [];
  readonly #spare: ArrayBuffer[] = [];
  #sentCount = 0;
  #pendingCount = 0;
  #pendingBytes = 0;
  /** Appends refused here and not settled yet; while there are any, all are refused (R3). */
  #overloadedCount = 0;
  #fence = 0;
  #isFlushScheduled = false;
  readonly #gatherMs: number;
  /** When the last batches were sent, by performance.now(). */
  #lastFlushMs = 0;
  readonly #flushSoon = () => {
    this.#isFlushScheduled = false;
    if (this.#sentCount < sentCountMax) this.#flush();
  };
  /** Why appends are refused for good, once they are. */
  #end: CodedError | null = null;
  #onIdle: (() => void) | null = null;

  /** @param gatherMs least time between sends, ms; 0 sends at the end of each turn. */
  constructor(sender: BatchSender, deliver: Deliver, gatherMs = GATHER_MS) {
    this.#gatherMs = gatherMs;
    this.#sender = sender;
    this.#deliver = deliver;
    this.#gathering = new AppendBatch(this.#takeBuffer(BATCH_BYTES));
  }

  /** Bus.append. Hot path, budget 5 µs with its settling, no object kept but the batch's arrays. */
  append(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    if (this.#end !== null) {
      setImmediate(done, this.#end, null);
      return;
    }
    const refusal = this.#judge(id, firstSentUs, envelope.length);
    const bytes = recordBytes(room.token.length, refusal === null ? envelope.length : 0);
    if (!this.#gathering.hasSpace(bytes)) this.#startBatch(bytes);
    if (refusal === null) this.#gathering.add(room, id, firstSentUs, envelope, done);
    else this.#gathering.addRefused(room, refusal, done);
    this.#pendingCount += 1;
    if (!this.#isFlushScheduled) this.#scheduleFlush();
  }

  /** Settles the batches whose buffers came back. */
  settle(buffers: readonly ArrayBuffer[], fence: number, detail: string): void {
    // What was appended before its caller hears of a refusal goes out under the old fence.
    if (fence > this.#fence) this.#flush();
    this.#fence = fence;
    for (const buffer of buffers) {
      const batch = this.#sent.shift();
      if (batch === undefined) throw new Error("a batch came back that was not sent");
      if (batch.isLastOfSend) this.#sentCount -= 1;
      this.#pendingBytes -= batch.byteLength;
      this.#pendingCount -= batch.count;
      this.#settleBatch(batch, batch.takeBack(buffer), detail);
      if (this.#spare.length < spareCountMax && buffer.byteLength === BATCH_BYTES) {
        this.#spare.push(buffer);
      }
    }
    if (this.#sentCount < sentCountMax && !this.#isFlushScheduled) {
      if (this.#sinceFlushMs() >= this.#gatherMs) this.#flush();
      else this.#scheduleFlush();
    }
    if (this.#pendingCount === 0) this.#onIdle?.();
  }

  /** Refuses from now on; what the worker has is settled as it comes. */
  refuseNew(error: CodedError): void {
    this.#end ??= error;
    this.#flush();
  }

  /** Ends everything that waits: the worker is gone. */
  abort(error: CodedError): void {
    this.#end ??= error;
    const unknown = new CodedError("OUTCOME_UNKNOWN", `it may have been stored: ${error.detail}`);
    const sent = this.#sent.splice(0);
    const held = [...this.#full.splice(0), this.#gathering];
    this.#gathering = new AppendBatch(new ArrayBuffer(0));
    this.#pendingCount = 0;
    for (const batch of sent) for (const done of batch.dones) done(unknown, null);
    for (const batch of held) for (const done of batch.dones) done(error, null);
    this.#onIdle?.();
  }

  /** Resolves when nothing waits. */
  drained(): Promise<void> {
    if (this.#pendingCount === 0) return Promise.resolve();
    this.#flush();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Refuses what would make the whole commit fail, and what is too much. */
  #judge(id: MessageId, firstSentUs: number, envelopeLength: number): Refusal | null {
    const isNamed = id.producer.length === 16 && Number.isSafeInteger(id.seq) && id.seq > 0;
    if (!isNamed || !Number.isFinite(firstSentUs)) return Refusal.INVALID;
    if (envelopeLength > ENVELOPE_BYTES_MAX) return Refusal.TOO_LARGE;
    const isOver =
      this.#overloadedCount > 0 ||
      this.#pendingCount >= PENDING_COUNT_MAX ||
      this.#pendingBytes + this.#gathering.byteLength >= PENDING_BYTES_MAX;
    if (!isOver) return null;
    this.#overloadedCount += 1;
    return Refusal.OVERLOADED;
  }

  #startBatch(bytes: number): void {
    if (this.#gathering.count > 0) {
      this.#full.push(this.#gathering);
      this.#pendingBytes += this.#gathering.byteLength;
    }
    this.#gathering = new AppendBatch(this.#takeBuffer(Math.max(bytes, BATCH_BYTES)));
  }

  #takeBuffer(bytes: number): ArrayBuffer {
    const spare = bytes === BATCH_BYTES ? this.#spare.pop() : undefined;
    return spare ?? new ArrayBuffer(bytes);
  }

  /** At the end of this turn, or some milliseconds after the last send. */
  #scheduleFlush(): void {
    if (this.#gathering.count === 0 && this.#full.length === 0) return;
    this.#isFlushScheduled = true;
    const waitMs = this.#gatherMs - this.#sinceFlushMs();
    if (waitMs <= 0) setImmediate(this.#flushSoon);
    else setTimeout(this.#flushSoon, waitMs);
  }

  #sinceFlushMs(): number {
    return performance.now() - this.#lastFlushMs;
  }

  #flush(): void {
    if (this.#gathering.count > 0) this.#startBatch(0);
    const batches = this.#full;
    const last = batches.at(-1);
    if (last === undefined) return;
    this.#full = [];
    this.#lastFlushMs = performance.now();
    last.isLastOfSend = true;
    this.#sentCount += 1;
    const messages: BatchMessage[] = [];
    const transfer: ArrayBuffer[] = [];
    for (const batch of batches) {
      this.#sent.push(batch);
      messages.push({ buffer: batch.buffer, count: batch.count, bytes: batch.byteLength });
      transfer.push(batch.buffer);
    }
    this.#sender.sendAppends(messages, transfer, this.#fence);
  }

  #settleBatch(batch: AppendBatch, view: RecordView, detail: string): void {
    let at = 0;
    for (let i = 0; i < batch.count; i += 1) {
      const room = batch.rooms[i] as RoomAddress;
      const done = batch.dones[i] as AppendDone;
      const seq = view.number(at, 0);
      const timeUs = view.number(at, 1);
      if (seq > 0) {
        const envelope = batch.envelopes[i] as Uint8Array;
        const prevSeq = view.number(at, 2);
        const epoch = view.epoch(at);
        this.#deliver(room, { epoch, seq, timeUs, prevSeq, envelope });
        done(null, { epoch, seq, timeUs, isDuplicate: false });
      } else if (seq < 0) {
        done(null, { epoch: view.epoch(at), seq: -seq, timeUs, isDuplicate: true });
      } else {
        if (timeUs === Refusal.OVERLOADED) this.#overloadedCount -= 1;
        done(refusalError(timeUs as Refusal, detail), null);
      }
      at = view.next(at);
    }
  }
}

function refusalError(refusal: Refusal, detail: string): CodedError {
  switch (refusal) {
    case Refusal.VOID:
      return new CodedError("OUTCOME_UNKNOWN", "the publish came too long after its first try");
    case Refusal.FULL:
      return new CodedError("STORE_FULL", detail);
    case Refusal.UNAVAILABLE:
      return new CodedError("UNAVAILABLE", detail);
    case Refusal.UNKNOWN:
      return new CodedError("OUTCOME_UNKNOWN", detail);
    case Refusal.CORRUPT:
      return new CodedError("STORE_CORRUPT", detail);
    case Refusal.OVERLOADED:
      return new CodedError("UNAVAILABLE", `${PENDING_COUNT_MAX} appends wait for the store`);
    case Refusal.INVALID:
      return new CodedError(
        "REQUEST_INVALID",
        "a name is a producer of 16 characters and a count from 1 to 2^53 - 1",
      );
    case Refusal.NO_GROUP:
      return new CodedError("REQUEST_INVALID", "the room's placement group does not exist");
    case Refusal.TOO_LARGE:
      return new CodedError(
        "PAYLOAD_TOO_LARGE",
        `an envelope has ${ENVELOPE_BYTES_MAX} bytes at most`,
      );
    default:
      throw refusal satisfies never;
  }
}
