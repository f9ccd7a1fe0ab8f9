/**
 * Payload codecs: how an application's values become the opaque bytes of a message, and back.
 *
 * Codecs are user code: they run in the caller of `publish` and in the loop over a room, never
 * while frames are read. One that throws spoils one message, not the stream.
 */

/** Turns values into bytes and back. Either may throw; the room then says so in its place. */
export interface Codec<T> {
  /** The bytes must not be written to afterwards: a retry may send them again. */
  encode(value: T): Uint8Array;
  /** `bytes` may be a part of a larger buffer: copy what is kept for long. */
  decode(bytes: Uint8Array): T;
}

const encoder = new TextEncoder();
// Fatal: bytes that are no UTF-8 must be an error, not a text full of question marks.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Bytes as they are; the default. Copied both ways, so either side may re-use its buffer. */
export const bytes: Codec<Uint8Array> = {
  encode: (value) => new Uint8Array(value),
  decode: (value) => new Uint8Array(value),
};

/** UTF-8 text. */
export const text: Codec<string> = {
  encode: (value) => encoder.encode(value),
  decode: (value) => decoder.decode(value),
};

/**
 * JSON in UTF-8.
 *
 * The type is the caller's claim: what arrives is not checked against it. Pass an own codec that
 * validates where publishers are not trusted.
 */
export function json<T = unknown>(): Codec<T> {
  return {
    encode(value) {
      const written = JSON.stringify(value);
      if (written === undefined) throw new TypeError("undefined and functions are no JSON");
      return encoder.encode(written);
    },
    decode: (value) => JSON.parse(decoder.decode(value)) as T,
  };
}
