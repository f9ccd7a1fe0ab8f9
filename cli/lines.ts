/**
 * Bytes to lines, without decoding: a message is whatever stands between two newlines.
 */

/** Bytes of one line; far beyond what a gateway takes, it only keeps memory bounded. */
export const LINE_BYTES_MAX = 1024 * 1024;

/** A line that passed LINE_BYTES_MAX. */
export class LineTooLong extends Error {}

/**
 * Yields lines without their newline ("\n" or "\r\n"); a last line without one counts too.
 *
 * @throws {LineTooLong}
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const line = join(parts, chunk.subarray(start, end));
      parts = [];
      bytes = 0;
      start = end + 1;
      yield line;
    }
    const rest = chunk.subarray(start);
    bytes += rest.length;
    if (bytes > LINE_BYTES_MAX) throw new LineTooLong(`a line has over ${LINE_BYTES_MAX} bytes`);
    if (rest.length > 0) parts.push(rest);
  }
  if (parts.length > 0) yield join(parts, new Uint8Array(0));
}

function join(parts: readonly Uint8Array[], last: Uint8Array): Uint8Array {
  const line = Buffer.concat([...parts, last]);
  return line.at(-1) === 13 ? line.subarray(0, -1) : line;
}
