/**
 * Protobuf base-128 varints by hand, for the two hot paths: publish scan and fan-out frame.
 *
 * Numbers are JavaScript numbers up to 2^53 - 1. Everything else uses the generated code.
 */

/** Bytes that `value` takes as a varint: 1 to 8. */
export function varintSize(value: number): number {
  let size = 1;
  let rest = value;
  while (rest >= 0x80) {
    rest = rest > 0x7fff_ffff ? Math.floor(rest / 0x80) : rest >>> 7;
    size += 1;
  }
  return size;
}

/**
 * Writes `value`, 0 to 2^53 - 1, at `at`.
 *
 * @returns the offset after it.
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let offset = at;
  while (rest > 0x7fff_ffff) {
    bytes[offset] = (rest % 0x80) | 0x80;
    offset += 1;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    bytes[offset] = (rest & 0x7f) | 0x80;
    offset += 1;
    rest >>>= 7;
  }
  bytes[offset] = rest;
  return offset + 1;
}

/**
 * Reads varints one after the other; made once and pointed at each message, so that reading
 * allocates nothing.
 */
export class VarintReader {
  /** Offset of the next byte; set it freely. */
  at = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;

  /** Starts reading `bytes` at `at`, up to `end`. */
  reset(bytes: Uint8Array, at: number, end: number): void {
    this.#bytes = bytes;
    this.at = at;
    this.#end = end;
  }

  /**
   * The next varint. -1 when it is cut, longer than 10 bytes, or above 2^53 - 1.
   */
  next(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count += 1) {
      if (this.at >= this.#end) return -1;
      const byte = this.#bytes[this.at] ?? 0;
      this.at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : -1;
      scale *= 0x80;
    }
    return -1;
  }
}
