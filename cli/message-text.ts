/**
 * Messages and gaps as `sub` and `history` print them.
 *
 * Pure. As text: the payload and a newline, nothing else, so that it can be piped; on a terminal
 * control characters are escaped, because a message must not move a cursor or colour a prompt.
 */
import type { RoomEvent, RoomInvalid, RoomMessage } from "../sdk/typescript/index.ts";

/** What is printed beside the payload. */
export interface MessageFormat {
  readonly isJson: boolean;
  /** Position before the payload. */
  readonly hasPosition: boolean;
  /** Room before the payload. */
  readonly hasRoom: boolean;
  /** Escapes control characters and bytes that are not UTF-8. */
  readonly isEscaped: boolean;
}

/** Messages with payloads as they came. */
export type BytesMessage = RoomMessage<Uint8Array> | RoomInvalid;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const newline = Buffer.from("\n");
const controlCharacters = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu;

/** A message as one line; as bytes, because a payload need not be text. */
export function formatMessage(message: BytesMessage, format: MessageFormat): Uint8Array {
  const payload = message.type === "message" ? message.payload : message.bytes;
  if (format.isJson) return jsonLine(messageFacts(message, payload));
  let head = "";
  if (format.hasRoom) head += `${message.room}\t`;
  if (format.hasPosition) head += `${message.position ?? "-"}\t`;
  const body = format.isEscaped ? Buffer.from(escapeText(payload)) : payload;
  return Buffer.concat([Buffer.from(head), body, newline]);
}

/** Gaps and policy changes as a line of JSON. */
export function formatEventJson(event: Exclude<RoomEvent<Uint8Array>, BytesMessage>): Uint8Array {
  return jsonLine(event);
}

/** A payload safe for a terminal: escapes as in JSON strings, bytes that are no UTF-8 as \xNN. */
export function escapeText(payload: Uint8Array): string {
  const text = decode(payload);
  if (text === null) {
    return [...payload].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  }
  return text.replace(controlCharacters, (character) => {
    if (character === "\t") return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

function messageFacts(message: BytesMessage, payload: Uint8Array): object {
  const text = decode(payload);
  return {
    type: "message",
    room: message.room,
    position: message.position,
    user: message.user,
    sentAt: message.sentAt.toISOString(),
    ...(text === null
      ? { payloadBase64: Buffer.from(payload).toString("base64") }
      : { payload: text }),
  };
}

function decode(payload: Uint8Array): string | null {
  try {
    return utf8.decode(payload);
  } catch {
    return null; // not UTF-8: the caller has another form for it
  }
}

function jsonLine(value: object): Uint8Array {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
