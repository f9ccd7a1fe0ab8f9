/**
 * The header block of a durable publish, written by hand: it has one line, and the client library's
 * map of headers costs as much as the rest of a publish (some 1 µs).
 *
 * The library asks a publish's headers for nothing but their encoded bytes, so that is all this is.
 * Its version is pinned; a publish stored without its name would fail the contract's duplicates.
 */
import type { MsgHdrs } from "@nats-io/transport-node";

const encoder = new TextEncoder();

class MessageIdHeader {
  readonly #block: string;

  constructor(block: string) {
    this.#block = block;
  }

  encode(): Uint8Array {
    return encoder.encode(this.#block);
  }
}

/**
 * Headers with Nats-Msg-Id alone. Hot path.
 *
 * @param messageId without line breaks; ours are made of hashes and digits (R1).
 */
export function messageIdHeader(messageId: string): MsgHdrs {
  const header = new MessageIdHeader(`NATS/1.0\r\nNats-Msg-Id: ${messageId}\r\n\r\n`);
  return header as unknown as MsgHdrs;
}
