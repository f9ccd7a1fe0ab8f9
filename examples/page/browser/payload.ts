/**
 * What the page's members say to each other: JSON, but anything else is shown too, since a room is
 * open to every client (`tidegatectl pub` sends plain lines).
 *
 * Pure. `from` and `n` name a message: a random name of the publishing client, and its count. The
 * ledger checks arrivals by them, independently of what the SDK and the gateway say.
 */
import type { Codec } from "../../../sdk/typescript/index.ts";

/** A line that a person wrote. */
export interface ChatPayload {
  readonly kind: "chat";
  readonly from: string;
  readonly n: number;
  /** Display name, 1 to 40 characters. */
  readonly name: string;
  readonly text: string;
}

/** One count of a second member, which sends for the sake of sending. */
export interface BeatPayload {
  readonly kind: "beat";
  readonly from: string;
  readonly n: number;
}

/** Of a client that is not this page. */
export interface ForeignPayload {
  readonly kind: "foreign";
  readonly text: string;
}

/** Everything that can be in a room. */
export type Payload = ChatPayload | BeatPayload | ForeignPayload;

/** Longest display name, characters; longer ones are cut, or one name could fill the list. */
export const NAME_CHARS_MAX = 40;

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true });

/** The codec of all rooms of the page; it refuses nothing. */
export const payloadCodec: Codec<Payload> = {
  encode: (value) => encoder.encode(value.kind === "foreign" ? value.text : JSON.stringify(value)),
  decode: decodePayload,
};

function decodePayload(bytes: Uint8Array): Payload {
  let text: string;
  try {
    text = strict.decode(bytes);
  } catch {
    // Not text at all, which is a publisher's right.
    return { kind: "foreign", text: `${bytes.length} bytes that are not text` };
  }
  return readOurs(text) ?? { kind: "foreign", text };
}

/** The payload if a page like this one wrote it, else null: nothing of it is trusted. */
function readOurs(text: string): ChatPayload | BeatPayload | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null; // plain text
  }
  if (typeof value !== "object" || value === null) return null;
  const { kind, from, n, name, text: line } = value as Record<string, unknown>;
  if (typeof from !== "string" || from === "" || from.length > 64) return null;
  if (typeof n !== "number" || !Number.isSafeInteger(n) || n < 1) return null;
  if (kind === "beat") return { kind, from, n };
  if (kind !== "chat" || typeof name !== "string" || typeof line !== "string") return null;
  return { kind, from, n, name: name.slice(0, NAME_CHARS_MAX) || "nobody", text: line };
}
