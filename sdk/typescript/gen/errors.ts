// Generated from proto/errors.json by `npm run generate`. Do not edit.

/** Whether a failed request can be repeated: never, as it is, or after connecting again. */
export type RetryAdvice = "no" | "same" | "reconnect";

/** What every code means for the connection and the retry. */
export interface ErrorInfo {
  /** WebSocket close code, or null when the connection stays open. */
  readonly close: number | null;
  readonly retry: RetryAdvice;
  /** Least wait before the retry, milliseconds. */
  readonly retryAfterMs: number;
}

export const ERRORS = {
  /** A frame did not decode as tidegate.client.v1.ClientFrame, or was a text message. Send binary WebSocket messages, one protobuf ClientFrame each; check the client's generated code. */
  FRAME_INVALID: { close: 4501, retry: "no", retryAfterMs: 0, },
  /** A frame was larger than Limits.frame_bytes_max. Send smaller payloads, or raise FRAME_BYTES_MAX on the gateways. */
  FRAME_TOO_LARGE: { close: 1009, retry: "no", retryAfterMs: 0, },
  /** Another frame came before Hello, or a second Hello came. Send exactly one Hello, first. */
  HELLO_EXPECTED: { close: 4502, retry: "no", retryAfterMs: 0, },
  /** No Hello came within the handshake time. Send Hello as soon as the WebSocket is open. */
  HELLO_TIMEOUT: { close: 4001, retry: "reconnect", retryAfterMs: 0, },
  /** The gateway speaks no protocol version in the range of Hello. Update the client, or the gateways. */
  PROTOCOL_UNSUPPORTED: { close: 4503, retry: "no", retryAfterMs: 0, },
  /** The token of Hello is missing, unknown, expired, or not signed by a known key. Get a new token from whoever issues them, and connect with it. */
  TOKEN_INVALID: { close: 4504, retry: "no", retryAfterMs: 0, },
  /** The gateway holds CONNECTION_COUNT_MAX connections. Try again later or at another gateway; operators: add gateways. */
  TOO_MANY_CONNECTIONS: { close: 1013, retry: "reconnect", retryAfterMs: 1000, },
  /** Another connection has shown this one's session token: its seats are there now. Use the other connection, or connect anew for a session of its own. */
  TAKEN_OVER: { close: 4500, retry: "no", retryAfterMs: 0, },
  /** An operator or backend has ended this connection, or all of this user's. Do not reconnect by yourself; ask whoever runs the service. */
  DISCONNECTED: { close: 4505, retry: "no", retryAfterMs: 0, },
  /** A quota of the tenant is used up: connections of the tenant, the user or the IP address, or rooms; the fields limit and limit_value say which. Close what is not needed, or try later; operators: tidegatectl limits set. */
  LIMIT_REACHED: { close: 4008, retry: "reconnect", retryAfterMs: 5000, },
  /** The room has as many members as its class allows. Join another room, or try later; operators: raise member_count_max of the class. */
  ROOM_FULL: { close: null, retry: "same", retryAfterMs: 2000, },
  /** The client read so slowly that its backpressure limit was passed, and its class disconnects such members or an answer could not be sent. Read faster, join fewer rooms, or resume after the reconnect. */
  SLOW_CONSUMER: { close: 4002, retry: "reconnect", retryAfterMs: 0, },
  /** The gateway is shutting down. Connect again; resume by position. */
  SERVER_STOPPING: { close: 4003, retry: "reconnect", retryAfterMs: 0, },
  /** A fault on our side; the log has it under the connection id. Connect again; report it with the connection id. */
  INTERNAL: { close: 4004, retry: "reconnect", retryAfterMs: 0, },
  /** The gateway is cut off from the bus, or has to renew its lease before it takes clients. Connect again, to this gateway or another; SDKs do. */
  GATEWAY_NOT_READY: { close: 4006, retry: "reconnect", retryAfterMs: 500, },
  /** The other side sent nothing for the idle time. Connect again; check the network. */
  IDLE_TIMEOUT: { close: 4005, retry: "reconnect", retryAfterMs: 0, },
  /** The web page's Origin may not connect to this gateway. Serve the page from the gateway's own host or add it to ALLOWED_ORIGINS. */
  ORIGIN_REFUSED: { close: null, retry: "no", retryAfterMs: 0, },
  /** The Host header names a host that this gateway is not. Use the gateway's address or add the name to ALLOWED_HOSTS. */
  HOST_REFUSED: { close: null, retry: "no", retryAfterMs: 0, },
  /** A field is missing, out of range or contradictory; the message names it. Correct the field named in the message. */
  REQUEST_INVALID: { close: null, retry: "no", retryAfterMs: 0, },
  /** The room name is not "class:name" of at most 200 bytes of printable UTF-8. Use a class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more printable characters. */
  ROOM_NAME_INVALID: { close: null, retry: "no", retryAfterMs: 0, },
  /** The tenant has no room class of that name. Create it: tidegatectl class apply -f; or use a built-in one (chat, live). */
  ROOM_CLASS_UNKNOWN: { close: null, retry: "no", retryAfterMs: 0, },
  /** The token's capabilities or the room class do not allow this. Use a token with the capability, or change the class. */
  PERMISSION_DENIED: { close: null, retry: "no", retryAfterMs: 0, },
  /** The room alias is not joined on this connection. Join the room and use the alias of Joined. */
  NOT_JOINED: { close: null, retry: "no", retryAfterMs: 0, },
  /** The room is already joined, or being joined, on this connection. Use the alias of the first Joined; Leave before joining again. */
  ALREADY_JOINED: { close: null, retry: "no", retryAfterMs: 0, },
  /** The connection holds Limits.room_count_max rooms. Leave a room first, or open another connection. */
  ROOM_LIMIT: { close: null, retry: "no", retryAfterMs: 0, },
  /** The payload does not fit one frame. Send less, or store it elsewhere and send a reference. */
  PAYLOAD_TOO_LARGE: { close: null, retry: "no", retryAfterMs: 0, },
  /** The connection has Limits.publish_in_flight_max unanswered requests. Wait for answers before sending more; SDKs do. */
  IN_FLIGHT_LIMIT: { close: null, retry: "same", retryAfterMs: 100, },
  /** The publish could not be confirmed within its budget of 20 s: it may appear once, later, or never. Read the history if it matters, then publish anew if it is not there. */
  OUTCOME_UNKNOWN: { close: null, retry: "no", retryAfterMs: 0, },
  /** The store of durable rooms is full: STORE_BYTES_MAX, SHARD_BYTES_MAX or the disk is reached; nothing was stored. Operators: raise that limit, shorten retention or add disk; clients: try again later. */
  STORE_FULL: { close: null, retry: "same", retryAfterMs: 1000, },
  /** A part that is needed does not answer now; nothing was done. Try again later. */
  UNAVAILABLE: { close: null, retry: "same", retryAfterMs: 250, },
  /** The room is ephemeral: it has no history and no positions. Use a room of a durable class. */
  NOT_DURABLE: { close: null, retry: "no", retryAfterMs: 0, },
  /** The client or room was closed by its user. Connect or join again. */
  CLOSED: { close: null, retry: "no", retryAfterMs: 0, },
  /** No gateway could be reached, or the connection was refused. Check the URL and that the gateway runs; SDKs keep trying. */
  CONNECT_FAILED: { close: null, retry: "reconnect", retryAfterMs: 0, },
  /** The room's codec could not encode a value, or decode the payload of a message. Use the codec that the room's publishers use; an undecoded message comes with its bytes. */
  PAYLOAD_INVALID: { close: null, retry: "no", retryAfterMs: 0, },
  /** More publishes wait in the SDK than its limit. Await publishes before making more. */
  QUEUE_FULL: { close: null, retry: "same", retryAfterMs: 100, },
} as const satisfies Record<string, ErrorInfo>;

/** A stable error code: a key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;
