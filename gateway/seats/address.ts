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
