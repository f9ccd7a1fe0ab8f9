/**
 * Who a client is, behind proxies: an address is believed only from a proxy that is listed.
 *
 * Pure. What a listed proxy says is believed for as long as that names a listed proxy again; the
 * first address that is none is the client's. Whatever stands further left in X-Forwarded-For was
 * written by somebody who may lie.
 */
import { addressOf } from "../seats/address.ts";
import { isInNetworks, type Network, normalAddress, parseAddress } from "./networks.ts";

/** What is known of a request. */
export interface AddressFacts {
  /** The socket's other end, 4 or 16 bytes. */
  readonly peer: Uint8Array;
  /** As a PROXY v2 header says, 4 or 16 bytes; empty without one, or when none is wanted. */
  readonly proxied: Uint8Array;
  /** X-Forwarded-For; empty for none. */
  readonly forwarded: string;
}

/** Entries of X-Forwarded-For that are looked at, from the right; the rest is not. */
const ENTRY_COUNT_MAX = 16;

/**
 * The client's address as {@link addressOf} writes it.
 *
 * @returns "" when it is the socket's other end, which the socket tells by itself.
 */
export function decideClientAddress(facts: AddressFacts, trusted: readonly Network[]): string {
  const peer = normalAddress(facts.peer);
  if (peer === null || !isInNetworks(trusted, peer)) return "";
  let client = normalAddress(facts.proxied) ?? peer;
  const entries = facts.forwarded === "" ? [] : facts.forwarded.split(",");
  const last = Math.max(0, entries.length - ENTRY_COUNT_MAX);
  for (let i = entries.length - 1; i >= last && isInNetworks(trusted, client); i -= 1) {
    const next = parseEntry(entries[i] ?? "");
    if (next === null) break; // a proxy that writes "unknown", or worse: nothing left of it counts
    client = next;
  }
  return client === peer ? "" : addressOf(client);
}

/** "203.0.113.7", "203.0.113.7:4711", "2001:db8::1" or "[2001:db8::1]:4711". */
function parseEntry(text: string): Uint8Array | null {
  const entry = text.trim();
  if (/^\[[^\]]*\](:\d{1,5})?$/.test(entry))
    return parseAddress(entry.slice(1, entry.indexOf("]")));
  return parseAddress(/^[\d.]+:\d{1,5}$/.test(entry) ? entry.slice(0, entry.indexOf(":")) : entry);
}
