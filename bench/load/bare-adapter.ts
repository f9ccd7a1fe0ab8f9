/**
 * Adapter for bench/servers/bare-uws.ts. First byte: 0 greet, 1 join, 2 publish; then the room.
 */
import type { Adapter, Step } from "./adapter.ts";
import { encodeClientFrame } from "./websocket.ts";

/** Rooms are "live:<number>" in every bench; the bare server knows them by number alone. */
function roomNumber(roomName: string): number {
  return Number(roomName.slice(roomName.indexOf(":") + 1));
}

export const bareAdapter: Adapter = {
  subprotocol: "",
  hello: () => encodeClientFrame(Uint8Array.of(0, 0, 0)),
  onFrame(content: Uint8Array, roomName: string): Step {
    if (content[0] === 1) return { kind: "joined", alias: roomNumber(roomName) };
    const room = roomNumber(roomName);
    return { kind: "send", frame: encodeClientFrame(Uint8Array.of(1, room >> 8, room & 255)) };
  },
  publishFrame(alias: number, payload: Buffer): Buffer {
    return encodeClientFrame(Buffer.concat([Uint8Array.of(2, alias >> 8, alias & 255), payload]));
  },
};
