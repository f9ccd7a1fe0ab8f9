/**
 * How a client knows its own messages.
 *
 * Pure.
 */
import { sha256 } from "./sha256.ts";

/** What Envelope.producer holds for this client's messages (docs/protocol.md). */
export function producerHash(
  tenant: string,
  user: string,
  key: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const identity = new TextEncoder().encode(`${tenant}\0${user}\0`);
  const named = new Uint8Array(identity.length + key.length);
  named.set(identity);
  named.set(key, identity.length);
  return new Uint8Array(sha256(named)).slice(0, 16);
}
