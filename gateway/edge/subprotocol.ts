/**
 * Names of what is spoken on a WebSocket here. Apart, so that who only names them loads no server.
 */

/** The WebSocket subprotocol (RFC 6455 section 1.9). */
export const SUBPROTOCOL = "tidegate.v1";
/**
 * A subprotocol that only a gateway which is ready agrees to: gateways ask each other with it, on a
 * port that answers nothing else.
 */
export const READY_SUBPROTOCOL = "tidegate.ready";
