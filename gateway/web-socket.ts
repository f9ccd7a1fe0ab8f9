/**
 * The WebSocket route: uWebSockets.js's events to our handlers. Who may upgrade is decided at the
 * door (edge/front-door.ts).
 */
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from "uWebSockets.js";
import { CodedError } from "../proto/coded-error.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { GatewayContext } from "./context.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Admitted, FrontDoor } from "./edge/front-door.ts";
import { READY_SUBPROTOCOL } from "./edge/subprotocol.ts";
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
  readonly context: GatewayContext;
  readonly options: GatewayOptions;
}

/** @param count called as WebSockets open and close. */
export function routeWebSocket(
  app: TemplatedApp,
  parts: WebSocketParts,
  count: (change: 1 | -1) => void,
): void {
  const { connections, dispatch, door, options } = parts;
  const upgrades = new Upgrades(parts);
  door.guardSockets(app);
  app.ws<Connection>(WEB_SOCKET_PATH, {
    // Compression stays off, which is the default: no frame can be larger than its bytes.
    maxPayloadLength: options.frameBytesMax * HARD_FRAME_FACTOR,
    maxBackpressure: options.backpressureBytesMax,
    closeOnBackpressureLimit: false,
    idleTimeout: options.idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => upgrades.begin(res, req, context),
    open: (socket) => {
      count(1);
      connections.onOpen(socket.getUserData(), socket);
      upgrades.onOpen(socket.getUserData());
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

/** From a request to a WebSocket: at once, in its turn, or only to be told to come again. */
class Upgrades {
  readonly #parts: WebSocketParts;
  /**
   * Upgraded to be told why they are refused, by their number (uWebSockets.js copies what it is
   * given): a browser can not see an HTTP status.
   */
  readonly #refused = new Map<number, CodedError>();

  constructor(parts: WebSocketParts) {
    this.#parts = parts;
  }

  begin(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const { door, context: gateway } = this.#parts;
    const admitted = door.admit(res, req);
    if (admitted === null) return;
    // The request is valid during this call only.
    const key = req.getHeader("sec-websocket-key");
    const extensions = req.getHeader("sec-websocket-extensions");
    const upgrade = (refusal: CodedError | null = null) => {
      const connection = this.#create(admitted, refusal);
      res.upgrade(connection, key, admitted.subprotocol, extensions, context);
    };
    if (admitted.subprotocol === READY_SUBPROTOCOL) {
      upgrade(); // asked by another gateway, and no client
      return;
    }
    let isGone = false;
    try {
      const turn = gateway.guards.admission.enter(() => isGone);
      if (turn === null) {
        upgrade();
        return;
      }
      res.onAborted(() => {
        isGone = true;
      });
      void turn.then((isTurn) => {
        if (isTurn && !isGone) res.cork(() => upgrade());
      });
    } catch (error) {
      upgrade(CodedError.from(error));
    }
  }

  onOpen(connection: Connection): void {
    if (this.#refused.size === 0) return;
    const refusal = this.#refused.get(connection.number);
    if (refusal === undefined) return;
    this.#refused.delete(connection.number);
    this.#parts.context.sender.close(connection, refusal);
  }

  #create({ address, cookieToken }: Admitted, refusal: CodedError | null): Connection {
    const connection = this.#parts.connections.create(address, cookieToken);
    if (refusal !== null) this.#refused.set(connection.number, refusal);
    return connection;
  }
}
