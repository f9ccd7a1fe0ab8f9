/**
 * The WebSocket route: who may upgrade, and uWebSockets.js's events to our handlers.
 */
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from "uWebSockets.js";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";
import type { Dispatch } from "./dispatch.ts";
import { decideHost } from "./host-check.ts";
import type { GatewayOptions } from "./options.ts";
import { forwardedAddress } from "./seats/address.ts";

/** Path of the WebSocket. */
export const WEB_SOCKET_PATH = "/ws";
/** The WebSocket subprotocol (RFC 6455 section 1.9). */
export const SUBPROTOCOL = "tidegate.v1";

/** Frames up to this many times frameBytesMax get a close that says why; larger ones a cut. */
const HARD_FRAME_FACTOR = 4;

export function routeWebSocket(
  app: TemplatedApp,
  connections: Connections,
  dispatch: Dispatch,
  options: GatewayOptions,
): void {
  app.ws<Connection>(WEB_SOCKET_PATH, {
    maxPayloadLength: options.frameBytesMax * HARD_FRAME_FACTOR,
    maxBackpressure: options.backpressureBytesMax,
    closeOnBackpressureLimit: false,
    idleTimeout: options.idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade: (res, req, context) => upgrade(res, req, context, connections, options),
    open: (socket) => connections.onOpen(socket.getUserData(), socket),
    message: (socket, bytes, isBinary) => dispatch.handle(socket.getUserData(), bytes, isBinary),
    dropped: (socket, bytes) => connections.onDropped(socket.getUserData(), new Uint8Array(bytes)),
    drain: (socket) => connections.onDrain(socket.getUserData()),
    close: (socket, code) => connections.onClose(socket.getUserData(), code),
  });
}

function upgrade(
  res: HttpResponse,
  req: HttpRequest,
  context: us_socket_context_t,
  connections: Connections,
  options: GatewayOptions,
): void {
  const refusal = decideHost(options, req.getHeader("host"), req.getHeader("origin"));
  if (refusal !== null) {
    refuse(res, "403 Forbidden", `[${refusal.code}] ${refusal.detail}`);
    return;
  }
  const offered = req.getHeader("sec-websocket-protocol");
  const isOffered = offered.split(",").some((each) => each.trim() === SUBPROTOCOL);
  if (offered !== "" && !isOffered) {
    refuse(res, "400 Bad Request", `this endpoint speaks the subprotocol ${SUBPROTOCOL}`);
    return;
  }
  const count = options.trustedProxyCount;
  const forwarded = count > 0 ? req.getHeader("x-forwarded-for") : "";
  res.upgrade(
    connections.create(count > 0 ? forwardedAddress(forwarded, count) : ""),
    req.getHeader("sec-websocket-key"),
    isOffered ? SUBPROTOCOL : "",
    req.getHeader("sec-websocket-extensions"),
    context,
  );
}

function refuse(res: HttpResponse, status: string, text: string): void {
  res.cork(() => {
    res.writeStatus(status);
    res.writeHeader("Content-Type", "text/plain; charset=utf-8");
    res.end(`${text}\n`, true);
  });
}
