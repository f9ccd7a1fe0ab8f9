/**
 * Addresses and networks as plain bytes, for the list of trusted proxies.
 *
 * Pure. Everything has 16 bytes, IPv4 in its mapped form, so one comparison does for both.
 */

/** A network: the first `bits` of `bytes`. */
export interface Network {
  readonly bytes: Uint8Array;
  /** 0 to 128; of an IPv4 network 96 more than is written. */
  readonly bits: number;
}

/** Bytes of every address. */
const LENGTH = 16;
/** Longest text of an address, with a dotted end. */
const TEXT_MAX = 45;

/**
 * An address as text, IPv4 or IPv6, without port, brackets or zone.
 *
 * @returns null when it is none.
 */
export function parseAddress(text: string): Uint8Array | null {
  if (text.length > TEXT_MAX) return null;
  const words = text.includes(":") ? wordsOfIpv6(text) : mapped(wordsOfIpv4(text));
  if (words === null) return null;
  const bytes = new Uint8Array(LENGTH);
  for (const [i, word] of words.entries()) {
    bytes[i * 2] = word >> 8;
    bytes[i * 2 + 1] = word & 255;
  }
  return bytes;
}

/**
 * An address as uWebSockets.js gives it, 4 or 16 bytes.
 *
 * @returns null for other lengths: there is none.
 */
export function normalAddress(bytes: Uint8Array): Uint8Array | null {
  if (bytes.length === LENGTH) return bytes;
  if (bytes.length !== 4) return null;
  const normal = new Uint8Array(LENGTH);
  normal.fill(255, 10, 12);
  normal.set(bytes, 12);
  return normal;
}

/**
 * "10.0.0.0/8", "2001:db8::/32", or one address.
 *
 * @returns null when it is none, also when bits beyond its length are set: a slip, mostly.
 */
export function parseNetwork(text: string): Network | null {
  const [address = "", length, ...rest] = text.split("/");
  const bytes = parseAddress(address);
  if (bytes === null || rest.length > 0) return null;
  const isIpv4 = !address.includes(":");
  const written = length === undefined ? (isIpv4 ? 32 : 128) : Number(length);
  const isLength = length === undefined || /^(0|[1-9]\d{0,2})$/.test(length);
  if (!isLength || written > (isIpv4 ? 32 : 128)) return null;
  const network = { bytes, bits: isIpv4 ? written + 96 : written };
  for (let bit = network.bits; bit < LENGTH * 8; bit += 1) {
    if (((bytes[bit >> 3] ?? 0) & (128 >> (bit & 7))) !== 0) return null;
  }
  return network;
}

/** Whether one of the networks has the address. */
export function isInNetworks(networks: readonly Network[], address: Uint8Array): boolean {
  return networks.some(({ bytes, bits }) => {
    const whole = bits >> 3;
    for (let i = 0; i < whole; i += 1) if (bytes[i] !== address[i]) return false;
    const mask = 255 << (8 - (bits & 7));
    return (bits & 7) === 0 || (((bytes[whole] ?? 0) ^ (address[whole] ?? 0)) & mask & 255) === 0;
  });
}

/** Two words of a dotted address. */
function wordsOfIpv4(text: string): number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  if (bytes.some((byte) => byte > 255)) return null;
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  return [a * 256 + b, c * 256 + d];
}

function mapped(words: number[] | null): number[] | null {
  return words === null ? null : [0, 0, 0, 0, 0, 0xffff, ...words];
}

function wordsOfIpv6(text: string): number[] | null {
  const [head = "", tail, ...rest] = text.split("::");
  if (rest.length > 0) return null;
  const left = wordsOfPart(head, tail === undefined);
  const right = tail === undefined ? [] : wordsOfPart(tail, true);
  if (left === null || right === null) return null;
  const missing = LENGTH / 2 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return null;
  return [...left, ...new Array<number>(missing).fill(0), ...right];
}

/** @param isEnd whether it may end in a dotted IPv4 address. */
function wordsOfPart(text: string, isEnd: boolean): number[] | null {
  if (text === "") return [];
  const words: number[] = [];
  const parts = text.split(":");
  for (const [i, part] of parts.entries()) {
    if (part.includes(".") && isEnd && i === parts.length - 1) {
      const dotted = wordsOfIpv4(part);
      if (dotted === null) return null;
      words.push(...dotted);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) {
      words.push(Number.parseInt(part, 16));
    } else {
      return null;
    }
  }
  return words;
}
