// Generated from proto/errors.json by `npm run generate`. Do not edit.

/** Whether a failed request can be repeated: never, as it is, or after connecting again. */
export type RetryAdvice = "no" | "same" | "reconnect";

/** What every code means for the connection and the retry, and for gRPC. */
export interface ErrorInfo {
  /** WebSocket close code, or null when the connection stays open. */
  readonly close: number | null;
  readonly retry: RetryAdvice;
  /** Least wait before the retry, milliseconds. */
  readonly retryAfterMs: number;
  /** Name of the gRPC status. */
  readonly grpc: string;
  /** What to do about it. */
  readonly fix: string;
}

export const ERRORS = {
  /** A frame did not decode as tidegate.client.v1.ClientFrame, or was a text message. Send binary WebSocket messages, one protobuf ClientFrame each; check the client's generated code. */
  FRAME_INVALID: { close: 4501, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Send binary WebSocket messages, one protobuf ClientFrame each; check the client's generated code." },
  /** A frame was larger than Limits.frame_bytes_max. Send smaller payloads, or raise FRAME_BYTES_MAX on the gateways. */
  FRAME_TOO_LARGE: { close: 1009, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Send smaller payloads, or raise FRAME_BYTES_MAX on the gateways." },
  /** Another frame came before Hello, or a second Hello came. Send exactly one Hello, first. */
  HELLO_EXPECTED: { close: 4502, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Send exactly one Hello, first." },
  /** No Hello came within the handshake time. Send Hello as soon as the WebSocket is open. */
  HELLO_TIMEOUT: { close: 4001, retry: "reconnect", retryAfterMs: 0, grpc: "DEADLINE_EXCEEDED", fix: "Send Hello as soon as the WebSocket is open." },
  /** The gateway speaks no protocol version in the range of Hello. Update the client, or the gateways. */
  PROTOCOL_UNSUPPORTED: { close: 4503, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Update the client, or the gateways." },
  /** A version gate refuses the client's build; VersionMismatch, just before, has the wanted version and where it is. Update the client. Operators: tidegatectl gates test says which gate it is, and why. */
  VERSION_REFUSED: { close: 4507, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Update the client. Operators: tidegatectl gates test says which gate it is, and why." },
  /** A version gate lets the client's build read, and not publish. Update the client; VersionMismatch has the wanted version. */
  VERSION_READ_ONLY: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Update the client; VersionMismatch has the wanted version." },
  /** A version gate keeps the client's build out of rooms of this class. Update the client; VersionMismatch has the wanted version. Other rooms are open to it. */
  ROOM_VERSION_REFUSED: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Update the client; VersionMismatch has the wanted version. Other rooms are open to it." },
  /** A version gate was changed, and gives the client's build another room of this name than the one it was in. Join again by the same name, as the SDKs do by themselves. */
  ROOM_SEPARATED: { close: null, retry: "same", retryAfterMs: 100, grpc: "ABORTED", fix: "Join again by the same name, as the SDKs do by themselves." },
  /** The token of Hello or Refresh is missing, unknown, not yet valid, not signed by a known key, or says what it may not. Get a new token from whoever issues them, and connect with it. */
  TOKEN_INVALID: { close: 4504, retry: "no", retryAfterMs: 0, grpc: "UNAUTHENTICATED", fix: "Get a new token from whoever issues them, and connect with it." },
  /** The token has ended: the one of Hello, or of a connection that was open. Get a new token and connect with it, or give the SDK a function that gets one; Refresh before the end keeps the connection. */
  TOKEN_EXPIRED: { close: 4007, retry: "reconnect", retryAfterMs: 0, grpc: "UNAUTHENTICATED", fix: "Get a new token and connect with it, or give the SDK a function that gets one; Refresh before the end keeps the connection." },
  /** The token is revoked, by its id, its user or when it was issued (tidegatectl revocations). Sign in again: a token that is issued from now on is good, unless its user is shut out for longer. */
  TOKEN_REVOKED: { close: 4506, retry: "no", retryAfterMs: 0, grpc: "UNAUTHENTICATED", fix: "Sign in again: a token that is issued from now on is good, unless its user is shut out for longer." },
  /** The gateway holds CONNECTION_COUNT_MAX connections. Try again later or at another gateway; operators: add gateways. */
  TOO_MANY_CONNECTIONS: { close: 1013, retry: "reconnect", retryAfterMs: 1000, grpc: "RESOURCE_EXHAUSTED", fix: "Try again later or at another gateway; operators: add gateways." },
  /** Another connection has shown this one's session token: its seats are there now. Use the other connection, or connect anew for a session of its own. */
  TAKEN_OVER: { close: 4500, retry: "no", retryAfterMs: 0, grpc: "ABORTED", fix: "Use the other connection, or connect anew for a session of its own." },
  /** An operator or backend has ended this connection, or all of this user's. Do not reconnect by yourself; ask whoever runs the service. */
  DISCONNECTED: { close: 4505, retry: "no", retryAfterMs: 0, grpc: "CANCELLED", fix: "Do not reconnect by yourself; ask whoever runs the service." },
  /** A quota of the tenant is used up: connections of the tenant, the user or the IP address, or rooms; the fields limit and limit_value say which. Close what is not needed, or try later; operators: tidegatectl limits set. */
  LIMIT_REACHED: { close: 4008, retry: "reconnect", retryAfterMs: 5000, grpc: "RESOURCE_EXHAUSTED", fix: "Close what is not needed, or try later; operators: tidegatectl limits set." },
  /** More frames, bytes or publishes came in a second than a limit allows; limit and limit_value say which, and nothing was done. Send again after retry_after_ms; SDKs do. Operators: tidegatectl limits, or the room class. */
  RATE_LIMITED: { close: null, retry: "same", retryAfterMs: 1000, grpc: "RESOURCE_EXHAUSTED", fix: "Send again after retry_after_ms; SDKs do. Operators: tidegatectl limits, or the room class." },
  /** The client went on sending far above a rate limit: its user, or its address when anonymous, is refused until retry_after_ms is over. Connect again after retry_after_ms, and wait when told RATE_LIMITED. */
  BLOCKED: { close: 4009, retry: "reconnect", retryAfterMs: 60000, grpc: "RESOURCE_EXHAUSTED", fix: "Connect again after retry_after_ms, and wait when told RATE_LIMITED." },
  /** The gateway protects those who are connected: it takes no new clients now, or not as many at once, or drops ephemeral publishes of anonymous ones. Come again after retry_after_ms, here or at another gateway; operators: add gateways, see /health overload. */
  OVERLOADED: { close: 1013, retry: "reconnect", retryAfterMs: 5000, grpc: "UNAVAILABLE", fix: "Come again after retry_after_ms, here or at another gateway; operators: add gateways, see /health overload." },
  /** The tenant's rooms hold as many bytes as its limit stored-bytes allows; nothing was stored. Wait until messages expire, or shorten the history of classes; operators: tidegatectl limits set stored-bytes. */
  STORAGE_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Wait until messages expire, or shorten the history of classes; operators: tidegatectl limits set stored-bytes." },
  /** The room has as many members as its class allows. Join another room, or try later; operators: raise member_count_max of the class. */
  ROOM_FULL: { close: null, retry: "same", retryAfterMs: 2000, grpc: "RESOURCE_EXHAUSTED", fix: "Join another room, or try later; operators: raise member_count_max of the class." },
  /** The client read so slowly that its backpressure limit was passed, and its class disconnects such members or an answer could not be sent. Read faster, join fewer rooms, or resume after the reconnect. */
  SLOW_CONSUMER: { close: 4002, retry: "reconnect", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Read faster, join fewer rooms, or resume after the reconnect." },
  /** The gateway is shutting down. Connect again; resume by position. */
  SERVER_STOPPING: { close: 4003, retry: "reconnect", retryAfterMs: 0, grpc: "UNAVAILABLE", fix: "Connect again; resume by position." },
  /** A fault on our side; the log has it under the connection id. Connect again; report it with the connection id. */
  INTERNAL: { close: 4004, retry: "reconnect", retryAfterMs: 0, grpc: "INTERNAL", fix: "Connect again; report it with the connection id." },
  /** The gateway is cut off from the bus, or has to renew its lease before it takes clients. Connect again, to this gateway or another; SDKs do. */
  GATEWAY_NOT_READY: { close: 4006, retry: "reconnect", retryAfterMs: 500, grpc: "UNAVAILABLE", fix: "Connect again, to this gateway or another; SDKs do." },
  /** The other side sent nothing for the idle time. Connect again; check the network. */
  IDLE_TIMEOUT: { close: 4005, retry: "reconnect", retryAfterMs: 0, grpc: "DEADLINE_EXCEEDED", fix: "Connect again; check the network." },
  /** The web page's Origin may not connect to this gateway. Serve the page from the gateway's own host or add it to ALLOWED_ORIGINS. */
  ORIGIN_REFUSED: { close: null, retry: "no", retryAfterMs: 0, grpc: "PERMISSION_DENIED", fix: "Serve the page from the gateway's own host or add it to ALLOWED_ORIGINS." },
  /** The Host header names a host that this gateway is not. Use the gateway's address or add the name to ALLOWED_HOSTS. */
  HOST_REFUSED: { close: null, retry: "no", retryAfterMs: 0, grpc: "PERMISSION_DENIED", fix: "Use the gateway's address or add the name to ALLOWED_HOSTS." },
  /** A field is missing, out of range or contradictory; the message names it. Correct the field named in the message. */
  REQUEST_INVALID: { close: null, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Correct the field named in the message." },
  /** The room name is not "class:name" of at most 200 bytes of printable UTF-8. Use a class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more printable characters. */
  ROOM_NAME_INVALID: { close: null, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Use a class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more printable characters." },
  /** The tenant has no room class of that name. Create it: tidegatectl class apply -f; or use a built-in one (chat, live). */
  ROOM_CLASS_UNKNOWN: { close: null, retry: "no", retryAfterMs: 0, grpc: "NOT_FOUND", fix: "Create it: tidegatectl class apply -f; or use a built-in one (chat, live)." },
  /** The token's capabilities or the room class do not allow this. Use a token with the capability, or change the class. */
  PERMISSION_DENIED: { close: null, retry: "no", retryAfterMs: 0, grpc: "PERMISSION_DENIED", fix: "Use a token with the capability, or change the class." },
  /** The room alias is not joined on this connection. Join the room and use the alias of Joined. */
  NOT_JOINED: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Join the room and use the alias of Joined." },
  /** The room is already joined, or being joined, on this connection. Use the alias of the first Joined; Leave before joining again. */
  ALREADY_JOINED: { close: null, retry: "no", retryAfterMs: 0, grpc: "ALREADY_EXISTS", fix: "Use the alias of the first Joined; Leave before joining again." },
  /** The connection holds Limits.room_count_max rooms. Leave a room first, or open another connection. */
  ROOM_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Leave a room first, or open another connection." },
  /** The payload does not fit one frame. Send less, or store it elsewhere and send a reference. */
  PAYLOAD_TOO_LARGE: { close: null, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Send less, or store it elsewhere and send a reference." },
  /** The connection has Limits.publish_in_flight_max unanswered requests. Wait for answers before sending more; SDKs do. */
  IN_FLIGHT_LIMIT: { close: null, retry: "same", retryAfterMs: 100, grpc: "RESOURCE_EXHAUSTED", fix: "Wait for answers before sending more; SDKs do." },
  /** NATS did not confirm a publish in time: it may be stored. Gateways try on, and tell clients OUTCOME_UNKNOWN when its budget ends. Call again with the same request_id: it is stored once. */
  UNCONFIRMED: { close: null, retry: "same", retryAfterMs: 250, grpc: "UNAVAILABLE", fix: "Call again with the same request_id: it is stored once." },
  /** The publish could not be confirmed within its budget of 20 s: it may appear once, later, or never. Read the history if it matters, then publish anew if it is not there. */
  OUTCOME_UNKNOWN: { close: null, retry: "no", retryAfterMs: 0, grpc: "DEADLINE_EXCEEDED", fix: "Read the history if it matters, then publish anew if it is not there." },
  /** What answers at NATS_URL can not keep what Tidegate promises: no NATS, too old, without JetStream, or a stream of ours is set otherwise. The message names what is wrong and what to do; docs/nats.md says what servers need. */
  BUS_UNSUITABLE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "The message names what is wrong and what to do; docs/nats.md says what servers need." },
  /** NATS refuses our credentials or certificate, we do not trust its certificate, or a permission that Tidegate needs is missing. Correct the NATS_ options that hold credentials, or the account's permissions; deploy/nats/nats.conf has those that suffice. */
  BUS_ACCESS_DENIED: { close: null, retry: "no", retryAfterMs: 0, grpc: "PERMISSION_DENIED", fix: "Correct the NATS_ options that hold credentials, or the account's permissions; deploy/nats/nats.conf has those that suffice." },
  /** The store of durable rooms is full: STORE_BYTES_MAX, SHARD_BYTES_MAX or the disk is reached; nothing was stored. Operators: raise that limit, shorten retention or add disk; clients: try again later. */
  STORE_FULL: { close: null, retry: "same", retryAfterMs: 1000, grpc: "RESOURCE_EXHAUSTED", fix: "Operators: raise that limit, shorten retention or add disk; clients: try again later." },
  /** A part that is needed does not answer now; nothing was done. Try again later. */
  UNAVAILABLE: { close: null, retry: "same", retryAfterMs: 250, grpc: "UNAVAILABLE", fix: "Try again later." },
  /** The room is ephemeral: it has no history and no positions. Use a room of a durable class. */
  NOT_DURABLE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Use a room of a durable class." },
  /** A call to the control plane came without a token or client certificate, or with one that it does not accept. Give tidegatectl a token (--token-file) or a client certificate (--tls-cert, --tls-key); gateways take theirs from CONTROL_TOKEN_FILE or CONTROL_TLS_CERT_FILE. */
  CREDENTIALS_INVALID: { close: null, retry: "no", retryAfterMs: 0, grpc: "UNAUTHENTICATED", fix: "Give tidegatectl a token (--token-file) or a client certificate (--tls-cert, --tls-key); gateways take theirs from CONTROL_TOKEN_FILE or CONTROL_TLS_CERT_FILE." },
  /** The caller is known, but its role does not allow this call; the sentence names the role that does. Ask an admin for a token or certificate with that role, or leave the call to somebody who has it. */
  ROLE_REQUIRED: { close: null, retry: "no", retryAfterMs: 0, grpc: "PERMISSION_DENIED", fix: "Ask an admin for a token or certificate with that role, or leave the call to somebody who has it." },
  /** No such resource. List the resources to see their names. */
  NOT_FOUND: { close: null, retry: "no", retryAfterMs: 0, grpc: "NOT_FOUND", fix: "List the resources to see their names." },
  /** The resource exists. Update it instead. */
  ALREADY_EXISTS: { close: null, retry: "no", retryAfterMs: 0, grpc: "ALREADY_EXISTS", fix: "Update it instead." },
  /** The resource has changed since it was read. Read it again, look at the change, and repeat yours with the new etag. */
  ETAG_MISMATCH: { close: null, retry: "no", retryAfterMs: 0, grpc: "ABORTED", fix: "Read it again, look at the change, and repeat yours with the new etag." },
  /** The mode of a room class never changes, not even by deleting and creating it again. Create a class of another name. */
  MODE_IMMUTABLE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Create a class of another name." },
  /** The tenant has as many room classes as there may be, deleted ones included. Use a class that is there; rooms of one class can be told apart by their names. */
  ROOM_CLASS_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Use a class that is there; rooms of one class can be told apart by their names." },
  /** There are as many version gates as there may be. Delete one that is not needed any more: a gate whose clients are all gone. */
  VERSION_GATE_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Delete one that is not needed any more: a gate whose clients are all gone." },
  /** The tenant has as many revocations as there may be. Delete some (tidegatectl revocations), let them end sooner (--ttl), or revoke many at once: by user or by when they were issued. */
  REVOCATION_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Delete some (tidegatectl revocations), let them end sooner (--ttl), or revoke many at once: by user or by when they were issued." },
  /** More is in use than the new value of the limit. Choose a higher value, or say --allow-below-use: nobody is put out, and nobody new comes in before it is less. */
  LIMIT_BELOW_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Choose a higher value, or say --allow-below-use: nobody is put out, and nobody new comes in before it is less." },
  /** An unchanged built-in class can not be deleted. Leave it, or change its fields. */
  BUILT_IN: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Leave it, or change its fields." },
  /** No shard of the group could take the slots: all others are draining or retired. Create a shard, or stop draining one (tidegatectl operations abort). */
  NO_ACTIVE_SHARD: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Create a shard, or stop draining one (tidegatectl operations abort)." },
  /** No active shard is in a region that the group and its classes allow. Create a shard there or stop draining one, or allow another region. */
  REGION_WITHOUT_SHARD: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Create a shard there or stop draining one, or allow another region." },
  /** No region is allowed by the group and all of its classes together. Change the regions of a class or of the group, or place the class in another group. */
  RULES_CONTRADICT: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Change the regions of a class or of the group, or place the class in another group." },
  /** A slot is pinned to a shard that is draining or retired, or is to be. Unpin it or pin it elsewhere (tidegatectl slots unpin, slots pin), then try again. */
  PIN_TO_LEAVING_SHARD: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Unpin it or pin it elsewhere (tidegatectl slots unpin, slots pin), then try again." },
  /** A slot is pinned to a shard outside the allowed regions. Unpin it or pin it inside, or allow the region. */
  PIN_OUTSIDE_REGION: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Unpin it or pin it inside, or allow the region." },
  /** A slot is pinned to a shard that is not in its group. Unpin it, or pin it to a shard of the group. */
  PIN_TO_UNKNOWN_SHARD: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Unpin it, or pin it to a shard of the group." },
  /** A slot is owned by a shard that is not in its group, as read in the middle of a change. Wait and try again; if it stays, `tidegatectl slots` shows which. */
  OWNER_UNKNOWN: { close: null, retry: "same", retryAfterMs: 1000, grpc: "UNAVAILABLE", fix: "Wait and try again; if it stays, `tidegatectl slots` shows which." },
  /** The shard is draining or retired, and takes no slots. Choose an active shard (tidegatectl shards), or activate this one again. */
  SHARD_NOT_ACTIVE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Choose an active shard (tidegatectl shards), or activate this one again." },
  /** The shard has slots, slots are moving to it, or one left it less than 32 s ago. Drain it first (tidegatectl shards drain), then try again. */
  SHARD_IN_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Drain it first (tidegatectl shards drain), then try again." },
  /** The shard stores messages that are within retention. Wait until they are past it, or delete it with --discard-history: they are lost by that. */
  HISTORY_KEPT: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Wait until they are past it, or delete it with --discard-history: they are lost by that." },
  /** The shard stores more than the new size allows. Give it more, or move slots away and wait for retention. */
  CAPACITY_BELOW_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Give it more, or move slots away and wait for retention." },
  /** The shard is in a region that the group or a class of it does not allow. Choose a shard in an allowed region, or allow this one (groups update, class apply). */
  REGION_NOT_ALLOWED: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Choose a shard in an allowed region, or allow this one (groups update, class apply)." },
  /** The slot is pinned to another shard. Unpin it, or move it with its pin: tidegatectl slots move --pin. */
  SLOT_PINNED: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Unpin it, or move it with its pin: tidegatectl slots move --pin." },
  /** The placement group has, or had, a room class, or more than 64 shards, or is group 0. Leave it: classes stay in their group for ever, since stored messages do. Of many shards, drain and delete some first. */
  GROUP_IN_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Leave it: classes stay in their group for ever, since stored messages do. Of many shards, drain and delete some first." },
  /** A class never changes its placement group, also not through deletion: stored messages stay where they are. Create a class of another name in the other group. */
  GROUP_IMMUTABLE: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Create a class of another name in the other group." },
  /** There are as many shards as there may be. Delete retired ones, or make those that are there larger. */
  SHARD_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Delete retired ones, or make those that are there larger." },
  /** No other gateway takes clients, so a drain would only cut them off. Start another gateway first; or end this one: its clients are told and come again. */
  NO_OTHER_GATEWAY: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Start another gateway first; or end this one: its clients are told and come again." },
  /** As many operations run as may at once. Wait until some have ended, or abort some: tidegatectl operations. */
  OPERATION_LIMIT: { close: null, retry: "no", retryAfterMs: 0, grpc: "RESOURCE_EXHAUSTED", fix: "Wait until some have ended, or abort some: tidegatectl operations." },
  /** Another operation works on the same slot, shard, group or gateway. Wait until it has ended, or abort it: tidegatectl operations. */
  OPERATION_CONFLICT: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Wait until it has ended, or abort it: tidegatectl operations." },
  /** The operation has ended, or is being aborted: nothing of it can be paused, resumed or aborted. Begin a new one; what was done is in tidegatectl operations get. */
  OPERATION_ENDED: { close: null, retry: "no", retryAfterMs: 0, grpc: "FAILED_PRECONDITION", fix: "Begin a new one; what was done is in tidegatectl operations get." },
  /** An option has a value outside its bounds. Correct the option named in the message; docs/options.md lists all. */
  OPTION_INVALID: { close: null, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Correct the option named in the message; docs/options.md lists all." },
  /** Another process listens on the port. Stop it, or choose another PORT, CONTROL_PORT or ADMIN_PORT. */
  ADDRESS_IN_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "UNAVAILABLE", fix: "Stop it, or choose another PORT, CONTROL_PORT or ADMIN_PORT." },
  /** Another process holds the lease of this GATEWAY_ID, or took it over while this one was silent. Stop the other process, or give each its own GATEWAY_ID; without one each takes a random id. */
  GATEWAY_ID_IN_USE: { close: null, retry: "no", retryAfterMs: 0, grpc: "ALREADY_EXISTS", fix: "Stop the other process, or give each its own GATEWAY_ID; without one each takes a random id." },
  /** Another process uses the data folder. Stop it, or choose another DATA_DIR. */
  STORE_LOCKED: { close: null, retry: "no", retryAfterMs: 0, grpc: "UNAVAILABLE", fix: "Stop it, or choose another DATA_DIR." },
  /** The data folder's store can not be read. Restore a backup, or move the folder away to start empty. */
  STORE_CORRUPT: { close: null, retry: "no", retryAfterMs: 0, grpc: "DATA_LOSS", fix: "Restore a backup, or move the folder away to start empty." },
  /** The client or room was closed by its user. Connect or join again. */
  CLOSED: { close: null, retry: "no", retryAfterMs: 0, grpc: "CANCELLED", fix: "Connect or join again." },
  /** No gateway could be reached, or the connection was refused. Check the URL and that the gateway runs; SDKs keep trying. */
  CONNECT_FAILED: { close: null, retry: "reconnect", retryAfterMs: 0, grpc: "UNAVAILABLE", fix: "Check the URL and that the gateway runs; SDKs keep trying." },
  /** The room's codec could not encode a value, or decode the payload of a message. Use the codec that the room's publishers use; an undecoded message comes with its bytes. */
  PAYLOAD_INVALID: { close: null, retry: "no", retryAfterMs: 0, grpc: "INVALID_ARGUMENT", fix: "Use the codec that the room's publishers use; an undecoded message comes with its bytes." },
  /** More publishes wait in the SDK than its limit. Await publishes before making more. */
  QUEUE_FULL: { close: null, retry: "same", retryAfterMs: 100, grpc: "RESOURCE_EXHAUSTED", fix: "Await publishes before making more." },
} as const satisfies Record<string, ErrorInfo>;

/** A stable error code: a key of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;
