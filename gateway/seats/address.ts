/**
 * Where a client comes from, as connections per IP address are counted.
 *
 * Pure.
 */
import type { Connection } from "../connection.ts";

/**
 * A socket's address as text; an IPv6 address as its /64, which is what one customer of a provider
 * has, and an IPv4 address in IPv6's clothes as itself.
 *
 * @param bytes 4 or 16, as uWebSockets.js gives them; other lengths are "".
 */
export function addressOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return "";
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff;
  if (isMapped) return bytes.subarray(12).join(".");
  return `${Buffer.from(bytes.subarray(0, 8)).toString("hex")}/64`;
}

/** Of a connection: as a trusted proxy tells it, else its socket's; "" when it is closed. */
export function addressOfConnection({ address, socket }: Connection): string {
  if (address !== "" || socket === null) return address;
  return addressOf(new Uint8Array(socket.getRemoteAddress()));
}

/**
 * The client's address in X-Forwarded-For: what the outermost of our own proxies saw. Whoever wrote
 * what stands before it may have lied.
 *
 * @param proxyCount proxies in front of the gateway, 1 or more.
 * @returns "" when the header has fewer entries.
 */
export function forwardedAddress(header: string, proxyCount: number): string {
  const seen = header.split(",");
  const text = (seen[seen.length - proxyCount] ?? "").trim().toLowerCase();
  if (text.length > 64) return "";
  if (/^\d+\.\d+\.\d+\.\d+(:\d+)?$/.test(text)) return text.replace(/:\d+$/, "");
  const inner = text.replace(/^\[([^\]]*)\](:\d+)?$/, "$1");
  return /^[0-9a-f:.]*:[0-9a-f:.]*$/.test(inner) ? addressOf(ipv6Bytes(inner)) : "";
}

function ipv6Bytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const [head = "", tail] = text.split("::");
  const left = wordsOf(head);
  const right = tail === undefined ? [] : wordsOf(tail);
  if (left.length + right.length > 8) return new Uint8Array(0);
  for (const [i, word] of left.entries()) setWord(bytes, i, word);
  for (const [i, word] of right.entries()) setWord(bytes, 8 - right.length + i, word);
  return bytes;
}

/** 16-bit words; a dotted IPv4 end gives two. */
function wordsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part || "0", 16) & 0xffff];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map((each) => Number(each) & 255);
    return [a * 256 + b, c * 256 + d];
  });
}

function setWord(bytes: Uint8Array, index: number, word: number): void {
  bytes[index * 2] = word >> 8;
  bytes[index * 2 + 1] = word & 255;
}
