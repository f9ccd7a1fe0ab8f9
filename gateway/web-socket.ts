/**
 * The WebSocket route: uWebSockets.js's events to our handlers. Who may upgrade is decided at the
 * door (edge/front-door.ts).
 */
import type { TemplatedApp } from "uWebSockets.js";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Dispatch } from "./dispatch.ts";
import type { FrontDoor } from "./edge/front-door.ts";
import type { GatewayOptions } from "./options.ts";

/** Path of the WebSocket. */
export const WEB_SOCKET_PATH = "/ws";

/** Frames up to this many times frameBytesMax get a close that says why; larger ones a cut. */
const HARD_FRAME_FACTOR = 4;

/** What the route needs. */
export interface WebSocketParts {
  readonly connections: Connections;
  readonly dispatch: Dispatch;
  readonly door: FrontDoor;
  readonly options: GatewayOptions;
}

/** @param count called as WebSockets open and close. */
export function routeWebSocket(
  app: TemplatedApp,
  { connections, dispatch, door, options }: WebSocketParts,
  count: (change: 1 | -1) => void,
): void {
  door.guardSockets(app);
  app.ws<Connection>(WEB_SOCKET_PATH, {
    // Compression stays off, which is the default: no frame can be larger than its bytes.
    maxPayloadLength: options.frameBytesMax * HARD_FRAME_FACTOR,
    maxBackpressure: options.backpressureBytesMax,
    closeOnBackpressureLimit: false,
    idleTimeout: options.idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => {
      const admitted = door.admit(res, req);
      if (admitted === null) return;
      res.upgrade(
        connections.create(admitted.address, admitted.cookieToken),
        req.getHeader("sec-websocket-key"),
        admitted.subprotocol,
        req.getHeader("sec-websocket-extensions"),
        context,
      );
    },
    open: (socket) => {
      count(1);
      connections.onOpen(socket.getUserData(), socket);
    },
    message: (socket, bytes, isBinary) => dispatch.handle(socket.getUserData(), bytes, isBinary),
    ping: (socket, bytes) => dispatch.countPing(socket.getUserData(), bytes.byteLength),
    dropped: (socket, bytes) => connections.onDropped(socket.getUserData(), new Uint8Array(bytes)),
    drain: (socket) => connections.onDrain(socket.getUserData()),
    close: (socket, code) => {
      count(-1);
      connections.onClose(socket.getUserData(), code);
    },
  });
}
