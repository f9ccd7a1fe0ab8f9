/**
 * A batch of appends in one transferable buffer, shared in turn by the two threads.
 *
 * The main thread writes records; the worker reads them and writes each result over the record's
 * first numbers; the same buffer comes back. So an append costs no object that must be cloned: a
 * structured clone of an object per message cost more than everything else together. Numbers are
 * 8-byte aligned for typed arrays; both threads are one process, so byte order does not matter.
 *
 * A record, in bytes from its start:
 *   0  f64  producer seq       -> seq stored; negative: minus the seq of the first copy; 0: refused
 *   8  f64  first sent, µs     -> time stored, µs; of a refused record the {@link Refusal}
 *  16  f64  0                  -> prev seq
 *  24  u32  bytes of the envelope
 *  28  u32  bytes of the token, and the slot above 16 bits; {@link preRefused} when the worker must
 *           leave the record alone
 *  32       producer, 16 bytes latin1 -> u32 epoch; then the token; then the envelope; padded to 8
 */
import type { AppendDone, MessageId } from "../bus.ts";
import type { RoomAddress } from "../subjects.ts";

/** Why a record was not stored. Numbers, since they travel in the record. */
export const Refusal = {
  /** Older than `voidAfterUs` when it would have been stored (R2). */
  VOID: 1,
  /** The store is at its maximum. */
  FULL: 2,
  /** Nothing was stored; the answer's detail says why. */
  UNAVAILABLE: 3,
  /** The commit failed in a way that leaves open whether it is on the disk. */
  UNKNOWN: 4,
  /** The database file is damaged. */
  CORRUPT: 5,
  /** Too many appends were waiting. */
  OVERLOADED: 6,
  /** The envelope is larger than ENVELOPE_BYTES_MAX. */
  TOO_LARGE: 7,
  /** The name or the time of the first try is not what Bus.append takes. */
  INVALID: 8,
  /** The room's placement group does not exist. */
  NO_GROUP: 9,
} as const;
export type Refusal = (typeof Refusal)[keyof typeof Refusal];

/**
 * Bytes of one buffer: some 1 700 appends of 250 bytes, a commit's worth. More in one loop turn
 * fill several buffers, which the worker still commits together.
 */
export const BATCH_BYTES = 512 * 1024;
/** Bytes of one envelope: NATS's default message limit, so that both buses take the same. */
export const ENVELOPE_BYTES_MAX = 1024 * 1024;

const headBytes = 48;
const preRefused = 0xffff_ffff;

/** Bytes a record takes, padded. */
export function recordBytes(tokenLength: number, envelopeLength: number): number {
  return (headBytes + tokenLength + envelopeLength + 7) & ~7;
}

/** The three views of one buffer that records are written and read through. */
export class RecordView {
  readonly buffer: ArrayBuffer;
  readonly bytes: Buffer;
  readonly f64: Float64Array;
  readonly u32: Uint32Array;

  constructor(buffer: ArrayBuffer) {
    this.buffer = buffer;
    this.bytes = Buffer.from(buffer);
    this.f64 = new Float64Array(buffer);
    this.u32 = new Uint32Array(buffer);
  }

  isPreRefused(at: number): boolean {
    return this.u32[(at + 28) >> 2] === preRefused;
  }
  envelopeLength(at: number): number {
    return this.u32[(at + 24) >> 2] as number;
  }
  tokenLength(at: number): number {
    const word = this.u32[(at + 28) >> 2] as number;
    return word === preRefused ? 0 : word & 0xffff;
  }
  /** Of the room; not of a record that is pre-refused. */
  slot(at: number): number {
    return (this.u32[(at + 28) >> 2] as number) >>> 16;
  }
  /** Offset of the record after the one at `at`. */
  next(at: number): number {
    return at + recordBytes(this.tokenLength(at), this.envelopeLength(at));
  }
  number(at: number, index: 0 | 1 | 2): number {
    return this.f64[(at >> 3) + index] as number;
  }
  token(at: number): string {
    return this.bytes.toString("latin1", at + headBytes, at + headBytes + this.tokenLength(at));
  }
  producer(at: number): Buffer {
    return this.bytes.subarray(at + 32, at + headBytes);
  }
  envelope(at: number): Buffer {
    const start = at + headBytes + this.tokenLength(at);
    return this.bytes.subarray(start, start + this.envelopeLength(at));
  }
  /** Epoch of a settled record. */
  epoch(at: number): number {
    return this.u32[(at + 32) >> 2] as number;
  }
  /** Writes a result over the record's numbers and its producer. */
  settle(at: number, seq: number, timeUs: number, prevSeq: number, epoch: number): void {
    this.setNumbers(at, seq, timeUs, prevSeq);
    this.u32[(at + 32) >> 2] = epoch;
  }
  /** Marks the record as not stored. */
  refuse(at: number, refusal: Refusal): void {
    this.setNumbers(at, 0, refusal, 0);
  }
  setNumbers(at: number, first: number, second: number, third: number): void {
    const i = at >> 3;
    this.f64[i] = first;
    this.f64[i + 1] = second;
    this.f64[i + 2] = third;
  }
}

/**
 * The main thread's side of a batch: the buffer being filled, and what stays here until settled.
 */
export class AppendBatch {
  #view: RecordView;
  #end = 0;
  readonly rooms: RoomAddress[] = [];
  readonly envelopes: Uint8Array[] = [];
  readonly dones: AppendDone[] = [];
  /** Whether the batch is the last of what one message carried to the worker. */
  isLastOfSend = false;

  constructor(buffer: ArrayBuffer) {
    this.#view = new RecordView(buffer);
  }

  get count(): number {
    return this.dones.length;
  }
  /** Bytes of records written. */
  get byteLength(): number {
    return this.#end;
  }
  get buffer(): ArrayBuffer {
    return this.#view.buffer;
  }

  /** Whether a record of that size still fits. */
  hasSpace(bytes: number): boolean {
    return this.#end + bytes <= this.#view.buffer.byteLength;
  }

  /** Adds a record; the caller has checked {@link hasSpace}. Hot path. */
  add(
    room: RoomAddress,
    id: MessageId,
    firstSentUs: number,
    envelope: Uint8Array,
    done: AppendDone,
  ): void {
    const view = this.#view;
    const at = this.#end;
    const token = room.token;
    view.setNumbers(at, id.seq, firstSentUs, 0);
    view.u32[(at + 24) >> 2] = envelope.length;
    view.u32[(at + 28) >> 2] = token.length | (room.slot << 16);
    view.bytes.write(id.producer, at + 32, 16, "latin1");
    view.bytes.write(token, at + headBytes, token.length, "latin1");
    view.bytes.set(envelope, at + headBytes + token.length);
    this.#end = at + recordBytes(token.length, envelope.length);
    this.#keep(room, envelope, done);
  }

  /** Adds a record that is refused here, so that its `done` keeps its place in the order. */
  addRefused(room: RoomAddress, refusal: Refusal, done: AppendDone): void {
    const at = this.#end;
    this.#view.refuse(at, refusal);
    this.#view.u32[(at + 24) >> 2] = 0;
    this.#view.u32[(at + 28) >> 2] = preRefused;
    this.#end = at + recordBytes(0, 0);
    this.#keep(room, noBytes, done);
  }

  /** Takes the buffer back from the worker; its records now hold results. */
  takeBack(buffer: ArrayBuffer): RecordView {
    this.#view = new RecordView(buffer);
    return this.#view;
  }

  #keep(room: RoomAddress, envelope: Uint8Array, done: AppendDone): void {
    this.rooms.push(room);
    this.envelopes.push(envelope);
    this.dones.push(done);
  }
}

const noBytes = new Uint8Array(0);
