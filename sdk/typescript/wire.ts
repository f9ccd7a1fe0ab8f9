/**
 * Protobuf on the wire, driven by a table: the encoder and decoder of all frames in one small
 * place.
 *
 * Pure. Generated code does the same with a function per message; that and its runtime were half of
 * what a browser had to load. wire-schema.ts is the table; tests hold both against generated code.
 * 64-bit fields are plain numbers: every varint of this protocol is from 0 to 2^53 - 1, and a frame
 * with another one does not decode.
 */

/** What a field holds: a scalar kind, or the schema of a message. */
export type FieldKind = "u32" | "u64" | "sf64" | "bool" | "string" | "bytes" | Schema;

/** One field. */
export interface Field {
  readonly number: number;
  readonly name: string;
  readonly kind: FieldKind;
  /** Empty: absent is the default. `?`: absent is undefined. `*`: a list. */
  readonly mark: "" | "?" | "*";
  /** The oneof it belongs to, as `{ $case, value }` under this name; else empty. */
  readonly oneof: string;
}

/** A message. `T` is its generated type. */
export interface Schema<T = unknown> {
  /** In the order of their numbers, 1 to their count; the last may be left out, if of no use. */
  readonly fields: readonly Field[];
  /** Of the type only; never present. */
  readonly type?: T;
}

type Message = Record<string, unknown>;
type Case = { $case: string; value: unknown };

/** What is wrong with bytes is of use to nobody but the author of a gateway. */
const NO_FRAME = "no frame";
const WORD = 2 ** 32;
const noBytes = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** The bytes of a message. */
export function encode<T>(schema: Schema<T>, message: T): Uint8Array {
  const writer = new Writer();
  writer.message(schema, message as Message);
  return writer.finish();
}

/**
 * Reads a message; unknown fields, and fields of another wire type than expected, are skipped.
 *
 * @throws {RangeError} when the bytes are cut short or are no protobuf.
 */
export function decode<T>(schema: Schema<T>, bytes: Uint8Array): T {
  return new Reader(bytes).message(schema, bytes.length) as T;
}

class Writer {
  #bytes = new Uint8Array(256);
  #at = 0;

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  message(schema: Schema, message: Message): void {
    for (const { number, name, kind, mark, oneof } of schema.fields) {
      const chosen = oneof === "" ? undefined : (message[oneof] as Case | undefined);
      const value = chosen?.$case === name ? chosen.value : message[name];
      const isPresent = chosen?.$case === name || mark === "?";
      if (mark === "*") for (const item of value as unknown[]) this.#field(number, kind, item);
      else if (value !== undefined && (isPresent || !isDefault(value))) {
        this.#field(number, kind, value);
      }
    }
  }

  #field(number: number, kind: FieldKind, value: unknown): void {
    const tag = number * 8 + wireType(kind);
    this.#varint(tag);
    if (typeof kind === "object") {
      const inner = new Writer();
      inner.message(kind, value as Message);
      this.#block(inner.finish());
    } else if (kind === "string") this.#block(encoder.encode(value as string));
    else if (kind === "bytes") this.#block(value as Uint8Array);
    else if (kind === "sf64") this.#fixed64(value as number);
    else this.#varint(Number(value));
  }

  #block(bytes: Uint8Array): void {
    this.#varint(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #varint(value: number): void {
    this.#reserve(10);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#byte((rest % 128) | 128);
    this.#byte(rest);
  }

  #fixed64(value: number): void {
    this.#reserve(8);
    const view = new DataView(this.#bytes.buffer);
    view.setUint32(this.#at, value % WORD, true);
    view.setInt32(this.#at + 4, Math.floor(value / WORD), true);
    this.#at += 8;
  }

  #byte(byte: number): void {
    this.#bytes[this.#at] = byte;
    this.#at += 1;
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.length) return;
    const grown = new Uint8Array(this.#bytes.length * 2 + count);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** As deep as the table nests, and it has no circles. */
  message(schema: Schema, end: number): Message {
    const message: Message = {};
    for (const { name, kind, mark, oneof } of schema.fields) {
      if (oneof !== "") message[oneof] = undefined;
      else message[name] = mark === "*" ? [] : mark === "" ? defaultOf(kind) : undefined;
    }
    while (this.#at < end) {
      const tag = this.#varint();
      const field = schema.fields[(tag >>> 3) - 1];
      if (field === undefined || (tag & 7) !== wireType(field.kind)) {
        this.#skip(tag);
        continue;
      }
      const value = this.#value(field.kind, end);
      if (field.oneof !== "") message[field.oneof] = { $case: field.name, value };
      else if (field.mark === "*") (message[field.name] as unknown[]).push(value);
      else message[field.name] = value;
    }
    return message;
  }

  #value(kind: FieldKind, end: number): unknown {
    if (kind === "sf64") {
      const at = this.#bytes.byteOffset + this.#advance(8);
      const view = new DataView(this.#bytes.buffer, at);
      return toSafe(view.getInt32(4, true) * WORD + view.getUint32(0, true));
    }
    const value = this.#varint();
    if (kind === "u32") return value >>> 0;
    if (kind === "bool") return value > 0;
    if (kind === "u64") return toSafe(value);
    const stop = this.#at + value;
    if (stop > end) throw new RangeError(NO_FRAME);
    if (typeof kind === "object") return this.message(kind, stop);
    const block = this.#bytes.subarray(this.#at, stop);
    this.#at = stop;
    return kind === "string" ? decoder.decode(block) : block;
  }

  /** Exact to 2^53; what is larger is refused, or is of no use. Small ones stay small integers. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    for (let factor = 2 ** 28; factor < 2 ** 70; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
    throw new RangeError(NO_FRAME);
  }

  #byte(): number {
    return this.#bytes[this.#advance(1)] ?? 0;
  }

  #skip(tag: number): void {
    const type = tag & 7;
    if (type === 0) this.#varint();
    else if (type === 1) this.#advance(8);
    else if (type === 5) this.#advance(4);
    else if (type === 2) this.#advance(this.#varint());
    else throw new RangeError(NO_FRAME);
  }

  #advance(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) throw new RangeError(NO_FRAME);
    this.#at = at + count;
    return at;
  }
}

function wireType(kind: FieldKind): number {
  if (kind === "sf64") return 1;
  return typeof kind === "object" || kind === "string" || kind === "bytes" ? 2 : 0;
}

function defaultOf(kind: FieldKind): unknown {
  if (typeof kind === "object") return undefined;
  if (kind === "string") return "";
  if (kind === "bytes") return noBytes;
  return kind === "bool" ? false : 0;
}

function isDefault(value: unknown): boolean {
  return value === 0 || value === "" || value === false || (value as Uint8Array).length === 0;
}

function toSafe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(NO_FRAME);
  return value;
}
