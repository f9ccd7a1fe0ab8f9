/**
 * Adapter for Tidegate: Hello, Join of one room, and publishes by alias with request id 0.
 *
 * Generated code builds each frame once; per message the generator only stamps the payload.
 */
import { ClientFrame, ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Adapter, Step } from "./adapter.ts";
import { encodeClientFrame } from "./websocket.ts";

/** The one request of a connection before it is joined. */
const JOIN_REQUEST_ID = 1;

type ClientFrameKind = NonNullable<ClientFrame["frame"]>;

/** A client frame as a whole WebSocket frame. */
export function encodeTidegateFrame(frame: ClientFrameKind): Buffer {
  return encodeClientFrame(ClientFrame.encode({ frame }).finish());
}

/** The Hello of bench clients. */
export function helloFrame(producerKey: Buffer, token = ""): Buffer {
  const build = { name: "tidegate-bench", version: "0.1.0", platform: "node" };
  const sessionToken = Buffer.alloc(0);
  return encodeTidegateFrame({
    $case: "hello",
    value: {
      ...{ protocolMin: 1, protocolMax: 1, token, build, producerKey },
      ...{ sessionToken, dialCount: 0, attributes: [], region: "" },
    },
  });
}

function joinFrame(room: string): Buffer {
  const rooms = [{ room, after: undefined, history: 0 }];
  return encodeTidegateFrame({ $case: "join", value: { requestId: JOIN_REQUEST_ID, rooms } });
}

export const tidegateAdapter: Adapter = {
  subprotocol: "tidegate.v1",
  hello: (token) => helloFrame(Buffer.alloc(0), token),
  onFrame(content: Uint8Array, roomName: string): Step {
    const { frame } = ServerFrame.decode(content);
    switch (frame?.$case) {
      case "welcome":
        return { kind: "send", frame: joinFrame(roomName) };
      case "joined":
        return { kind: "joined", alias: frame.value.roomAlias };
      case "error":
        return { kind: "failed", reason: `${frame.value.code}: ${frame.value.message}` };
      case "left":
        return { kind: "failed", reason: `left the room: ${frame.value.code}` };
      case "gap":
        return { kind: "failed", reason: `gap of ${frame.value.missedCount} messages` };
      default:
        return { kind: "ignore" };
    }
  },
  publishFrame(alias: number, payload: Buffer): Buffer {
    return encodeTidegateFrame({
      $case: "publish",
      value: {
        requestId: 0,
        target: { $case: "roomAlias", value: alias },
        producerSeq: 0n,
        firstSentUs: 0n,
        traceparent: "",
        payload,
      },
    });
  },
};
