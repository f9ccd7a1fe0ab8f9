// Generated from proto/errors.json by `npm run generate`. Do not edit.

/** A stable error code. */
export type ErrorCode =
  /** A frame did not decode as tidegate.client.v1.ClientFrame, or was a text message. Send binary WebSocket messages, one protobuf ClientFrame each; check the client's generated code. */
  | "FRAME_INVALID"
  /** A frame was larger than Limits.frame_bytes_max. Send smaller payloads, or raise FRAME_BYTES_MAX on the gateways. */
  | "FRAME_TOO_LARGE"
  /** Another frame came before Hello, or a second Hello came. Send exactly one Hello, first. */
  | "HELLO_EXPECTED"
  /** No Hello came within the handshake time. Send Hello as soon as the WebSocket is open. */
  | "HELLO_TIMEOUT"
  /** The gateway speaks no protocol version in the range of Hello. Update the client, or the gateways. */
  | "PROTOCOL_UNSUPPORTED"
  /** A version gate refuses the client's build; VersionMismatch, just before, has the wanted version and where it is. Update the client. Operators: tidegatectl gates test says which gate it is, and why. */
  | "VERSION_REFUSED"
  /** A version gate lets the client's build read, and not publish. Update the client; VersionMismatch has the wanted version. */
  | "VERSION_READ_ONLY"
  /** A version gate keeps the client's build out of rooms of this class. Update the client; VersionMismatch has the wanted version. Other rooms are open to it. */
  | "ROOM_VERSION_REFUSED"
  /** A version gate was changed, and gives the client's build another room of this name than the one it was in. Join again by the same name, as the SDKs do by themselves. */
  | "ROOM_SEPARATED"
  /** The token of Hello or Refresh is missing, unknown, not yet valid, not signed by a known key, or says what it may not. Get a new token from whoever issues them, and connect with it. */
  | "TOKEN_INVALID"
  /** The token has ended: the one of Hello, or of a connection that was open. Get a new token and connect with it, or give the SDK a function that gets one; Refresh before the end keeps the connection. */
  | "TOKEN_EXPIRED"
  /** The token is revoked, by its id, its user or when it was issued (tidegatectl revocations). Sign in again: a token that is issued from now on is good, unless its user is shut out for longer. */
  | "TOKEN_REVOKED"
  /** The gateway holds CONNECTION_COUNT_MAX connections. Try again later or at another gateway; operators: add gateways. */
  | "TOO_MANY_CONNECTIONS"
  /** Another connection has shown this one's session token: its seats are there now. Use the other connection, or connect anew for a session of its own. */
  | "TAKEN_OVER"
  /** An operator or backend has ended this connection, or all of this user's. Do not reconnect by yourself; ask whoever runs the service. */
  | "DISCONNECTED"
  /** A quota of the tenant is used up: connections of the tenant, the user or the IP address, or rooms; the fields limit and limit_value say which. Close what is not needed, or try later; operators: tidegatectl limits set. */
  | "LIMIT_REACHED"
  /** More frames, bytes or publishes came in a second than a limit allows; limit and limit_value say which, and nothing was done. Send again after retry_after_ms; SDKs do. Operators: tidegatectl limits, or the room class. */
  | "RATE_LIMITED"
  /** The client went on sending far above a rate limit: its user, or its address when anonymous, is refused until retry_after_ms is over. Connect again after retry_after_ms, and wait when told RATE_LIMITED. */
  | "BLOCKED"
  /** The gateway protects those who are connected: it takes no new clients now, or not as many at once, or drops ephemeral publishes of anonymous ones. Come again after retry_after_ms, here or at another gateway; operators: add gateways, see /health overload. */
  | "OVERLOADED"
  /** The tenant's rooms hold as many bytes as its limit stored-bytes allows; nothing was stored. Wait until messages expire, or shorten the history of classes; operators: tidegatectl limits set stored-bytes. */
  | "STORAGE_LIMIT"
  /** The room has as many members as its class allows. Join another room, or try later; operators: raise member_count_max of the class. */
  | "ROOM_FULL"
  /** The client read so slowly that its backpressure limit was passed, and its class disconnects such members or an answer could not be sent. Read faster, join fewer rooms, or resume after the reconnect. */
  | "SLOW_CONSUMER"
  /** The gateway is shutting down. Connect again; resume by position. */
  | "SERVER_STOPPING"
  /** A fault on our side; the log has it under the connection id. Connect again; report it with the connection id. */
  | "INTERNAL"
  /** The gateway is cut off from the bus, or has to renew its lease before it takes clients. Connect again, to this gateway or another; SDKs do. */
  | "GATEWAY_NOT_READY"
  /** The other side sent nothing for the idle time. Connect again; check the network. */
  | "IDLE_TIMEOUT"
  /** The web page's Origin may not connect to this gateway. Serve the page from the gateway's own host or add it to ALLOWED_ORIGINS. */
  | "ORIGIN_REFUSED"
  /** The Host header names a host that this gateway is not. Use the gateway's address or add the name to ALLOWED_HOSTS. */
  | "HOST_REFUSED"
  /** A field is missing, out of range or contradictory; the message names it. Correct the field named in the message. */
  | "REQUEST_INVALID"
  /** The room name is not "class:name" of at most 200 bytes of printable UTF-8. Use a class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more printable characters. */
  | "ROOM_NAME_INVALID"
  /** The tenant has no room class of that name. Create it: tidegatectl class apply -f; or use a built-in one (chat, live). */
  | "ROOM_CLASS_UNKNOWN"
  /** The token's capabilities or the room class do not allow this. Use a token with the capability, or change the class. */
  | "PERMISSION_DENIED"
  /** The room alias is not joined on this connection. Join the room and use the alias of Joined. */
  | "NOT_JOINED"
  /** The room is already joined, or being joined, on this connection. Use the alias of the first Joined; Leave before joining again. */
  | "ALREADY_JOINED"
  /** The connection holds Limits.room_count_max rooms. Leave a room first, or open another connection. */
  | "ROOM_LIMIT"
  /** The payload does not fit one frame. Send less, or store it elsewhere and send a reference. */
  | "PAYLOAD_TOO_LARGE"
  /** The connection has Limits.publish_in_flight_max unanswered requests. Wait for answers before sending more; SDKs do. */
  | "IN_FLIGHT_LIMIT"
  /** The publish could not be confirmed within its budget of 20 s: it may appear once, later, or never. Read the history if it matters, then publish anew if it is not there. */
  | "OUTCOME_UNKNOWN"
  /** The store of durable rooms is full: STORE_BYTES_MAX, SHARD_BYTES_MAX or the disk is reached; nothing was stored. Operators: raise that limit, shorten retention or add disk; clients: try again later. */
  | "STORE_FULL"
  /** A part that is needed does not answer now; nothing was done. Try again later. */
  | "UNAVAILABLE"
  /** The room is ephemeral: it has no history and no positions. Use a room of a durable class. */
  | "NOT_DURABLE"
  /** The client or room was closed by its user. Connect or join again. */
  | "CLOSED"
  /** No gateway could be reached, or the connection was refused. Check the URL and that the gateway runs; SDKs keep trying. */
  | "CONNECT_FAILED"
  /** The room's codec could not encode a value, or decode the payload of a message. Use the codec that the room's publishers use; an undecoded message comes with its bytes. */
  | "PAYLOAD_INVALID"
  /** More publishes wait in the SDK than its limit. Await publishes before making more. */
  | "QUEUE_FULL";

/**
 * What codes mean, in lines `code close retryAfterMs`, numbers that are 0 left out at the end.
 * The close code says whether to try again. A code without a line is not worth it, and leaves the
 * connection open.
 */
export const ERROR_LINES = `
  FRAME_INVALID 4501
  FRAME_TOO_LARGE 1009
  HELLO_EXPECTED 4502
  HELLO_TIMEOUT 4001
  PROTOCOL_UNSUPPORTED 4503
  VERSION_REFUSED 4507
  ROOM_SEPARATED 0 100
  TOKEN_INVALID 4504
  TOKEN_EXPIRED 4007
  TOKEN_REVOKED 4506
  TOO_MANY_CONNECTIONS 1013 1000
  TAKEN_OVER 4500
  DISCONNECTED 4505
  LIMIT_REACHED 4008 5000
  RATE_LIMITED 0 1000
  BLOCKED 4009 60000
  OVERLOADED 1013 5000
  ROOM_FULL 0 2000
  SLOW_CONSUMER 4002
  SERVER_STOPPING 4003
  INTERNAL 4004
  GATEWAY_NOT_READY 4006 500
  IDLE_TIMEOUT 4005
  IN_FLIGHT_LIMIT 0 100
  STORE_FULL 0 1000
  UNAVAILABLE 0 250
  CONNECT_FAILED
  QUEUE_FULL 0 100`;
