/**
 * The WebSocket route: uWebSockets.js's events to our handlers. Who may upgrade is decided at the
 * door (edge/front-door.ts).
 */
import type { TemplatedApp } from "uWebSockets.js";
import type { Connection, Socket, SocketData } from "./connection.ts";
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
  app.ws<SocketData>(WEB_SOCKET_PATH, {
    // Compression stays off, which is the default: no frame can be larger than its bytes.
    maxPayloadLength: options.frameBytesMax * HARD_FRAME_FACTOR,
    maxBackpressure: options.backpressureBytesMax,
    closeOnBackpressureLimit: false,
    idleTimeout: options.idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => {
      const admitted = door.admit(res, req);
      if (admitted === null) return;
      const { address, cookieToken } = admitted;
      const data: SocketData = { connection: connections.create(address, cookieToken) };
      // At once: an upgrade in a later turn is closed now and then by uWebSockets.js's cork().
      res.upgrade(
        data,
        req.getHeader("sec-websocket-key"),
        admitted.subprotocol,
        req.getHeader("sec-websocket-extensions"),
        context,
      );
    },
    open: (socket) => {
      count(1);
      connections.onOpen(connectionOf(socket), socket);
    },
    message: (socket, bytes, isBinary) => dispatch.handle(connectionOf(socket), bytes, isBinary),
    ping: (socket, bytes) => dispatch.countPing(connectionOf(socket), bytes.byteLength),
    dropped: (socket, bytes) => connections.onDropped(connectionOf(socket), new Uint8Array(bytes)),
    drain: (socket) => connections.onDrain(connectionOf(socket)),
    close: (socket, code) => {
      count(-1);
      connections.onClose(connectionOf(socket), code);
    },
  });
}

/** Hot path. */
function connectionOf(socket: Socket): Connection {
  return socket.getUserData().connection;
}
