# Generated from proto/errors.json by `npm run generate`. Do not edit.
"""Error codes, their WebSocket close codes, and what to do about each."""

from __future__ import annotations

from typing import Literal, NamedTuple, Optional

RetryAdvice = Literal["no", "same", "reconnect"]


class ErrorInfo(NamedTuple):
    """What a code means for the connection and the retry."""

    close: Optional[int]
    retry: RetryAdvice
    retry_after_ms: int
    means: str
    fix: str


ERRORS: dict[str, ErrorInfo] = {
    "FRAME_INVALID": ErrorInfo(
        close=4501,
        retry="no",
        retry_after_ms=0,
        means="A frame did not decode as tidegate.client.v1.ClientFrame, or was a text message.",
        fix="Send binary WebSocket messages, one protobuf ClientFrame each; check the client's generated code.",
    ),
    "FRAME_TOO_LARGE": ErrorInfo(
        close=1009,
        retry="no",
        retry_after_ms=0,
        means="A frame was larger than Limits.frame_bytes_max.",
        fix="Send smaller payloads, or raise FRAME_BYTES_MAX on the gateways.",
    ),
    "HELLO_EXPECTED": ErrorInfo(
        close=4502,
        retry="no",
        retry_after_ms=0,
        means="Another frame came before Hello, or a second Hello came.",
        fix="Send exactly one Hello, first.",
    ),
    "HELLO_TIMEOUT": ErrorInfo(
        close=4001,
        retry="reconnect",
        retry_after_ms=0,
        means="No Hello came within the handshake time.",
        fix="Send Hello as soon as the WebSocket is open.",
    ),
    "PROTOCOL_UNSUPPORTED": ErrorInfo(
        close=4503,
        retry="no",
        retry_after_ms=0,
        means="The gateway speaks no protocol version in the range of Hello.",
        fix="Update the client, or the gateways.",
    ),
    "TOKEN_INVALID": ErrorInfo(
        close=4504,
        retry="no",
        retry_after_ms=0,
        means="The token of Hello is missing, unknown, expired, or not signed by a known key.",
        fix="Get a new token from whoever issues them, and connect with it.",
    ),
    "TOO_MANY_CONNECTIONS": ErrorInfo(
        close=1013,
        retry="reconnect",
        retry_after_ms=1000,
        means="The gateway holds CONNECTION_COUNT_MAX connections.",
        fix="Try again later or at another gateway; operators: add gateways.",
    ),
    "SLOW_CONSUMER": ErrorInfo(
        close=4002,
        retry="reconnect",
        retry_after_ms=0,
        means="The client read so slowly that its backpressure limit was passed, and its class disconnects such members or an answer could not be sent.",
        fix="Read faster, join fewer rooms, or resume after the reconnect.",
    ),
    "SERVER_STOPPING": ErrorInfo(
        close=4003,
        retry="reconnect",
        retry_after_ms=0,
        means="The gateway is shutting down.",
        fix="Connect again; resume by position.",
    ),
    "INTERNAL": ErrorInfo(
        close=4004,
        retry="reconnect",
        retry_after_ms=0,
        means="A fault on our side; the log has it under the connection id.",
        fix="Connect again; report it with the connection id.",
    ),
    "GATEWAY_NOT_READY": ErrorInfo(
        close=4006,
        retry="reconnect",
        retry_after_ms=500,
        means="The gateway is cut off from the bus, or has to renew its lease before it takes clients.",
        fix="Connect again, to this gateway or another; SDKs do.",
    ),
    "IDLE_TIMEOUT": ErrorInfo(
        close=4005,
        retry="reconnect",
        retry_after_ms=0,
        means="The other side sent nothing for the idle time.",
        fix="Connect again; check the network.",
    ),
    "ORIGIN_REFUSED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The web page's Origin may not connect to this gateway.",
        fix="Serve the page from the gateway's own host or add it to ALLOWED_ORIGINS.",
    ),
    "HOST_REFUSED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The Host header names a host that this gateway is not.",
        fix="Use the gateway's address or add the name to ALLOWED_HOSTS.",
    ),
    "REQUEST_INVALID": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="A field is missing, out of range or contradictory; the message names it.",
        fix="Correct the field named in the message.",
    ),
    "ROOM_NAME_INVALID": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The room name is not \"class:name\" of at most 200 bytes of printable UTF-8.",
        fix="Use a class [a-z][a-z0-9-]{0,31}, a colon, then 1 or more printable characters.",
    ),
    "ROOM_CLASS_UNKNOWN": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The tenant has no room class of that name.",
        fix="Create it: tidegatectl class apply -f; or use a built-in one (chat, live).",
    ),
    "PERMISSION_DENIED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The token's capabilities or the room class do not allow this.",
        fix="Use a token with the capability, or change the class.",
    ),
    "NOT_JOINED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The room alias is not joined on this connection.",
        fix="Join the room and use the alias of Joined.",
    ),
    "ALREADY_JOINED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The room is already joined, or being joined, on this connection.",
        fix="Use the alias of the first Joined; Leave before joining again.",
    ),
    "ROOM_LIMIT": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The connection holds Limits.room_count_max rooms.",
        fix="Leave a room first, or open another connection.",
    ),
    "PAYLOAD_TOO_LARGE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The payload does not fit one frame.",
        fix="Send less, or store it elsewhere and send a reference.",
    ),
    "IN_FLIGHT_LIMIT": ErrorInfo(
        close=None,
        retry="same",
        retry_after_ms=100,
        means="The connection has Limits.publish_in_flight_max unanswered requests.",
        fix="Wait for answers before sending more; SDKs do.",
    ),
    "UNCONFIRMED": ErrorInfo(
        close=None,
        retry="same",
        retry_after_ms=250,
        means="NATS did not confirm a publish in time: it may be stored. Gateways try on, and tell clients OUTCOME_UNKNOWN when its budget ends.",
        fix="Call again with the same request_id: it is stored once.",
    ),
    "OUTCOME_UNKNOWN": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The publish could not be confirmed within its budget of 20 s: it may appear once, later, or never.",
        fix="Read the history if it matters, then publish anew if it is not there.",
    ),
    "BUS_UNSUITABLE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="What answers at NATS_URL can not keep what Tidegate promises: no NATS, too old, without JetStream, or a stream of ours is set otherwise.",
        fix="The message names what is wrong and what to do; docs/nats.md says what servers need.",
    ),
    "BUS_ACCESS_DENIED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="NATS refuses our credentials or certificate, we do not trust its certificate, or a permission that Tidegate needs is missing.",
        fix="Correct the NATS_ options that hold credentials, or the account's permissions; deploy/nats/nats.conf has those that suffice.",
    ),
    "STORE_FULL": ErrorInfo(
        close=None,
        retry="same",
        retry_after_ms=1000,
        means="The store of durable rooms is full: STORE_BYTES_MAX, SHARD_BYTES_MAX or the disk is reached; nothing was stored.",
        fix="Operators: raise that limit, shorten retention or add disk; clients: try again later.",
    ),
    "UNAVAILABLE": ErrorInfo(
        close=None,
        retry="same",
        retry_after_ms=250,
        means="A part that is needed does not answer now; nothing was done.",
        fix="Try again later.",
    ),
    "NOT_DURABLE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The room is ephemeral: it has no history and no positions.",
        fix="Use a room of a durable class.",
    ),
    "NOT_FOUND": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="No such resource.",
        fix="List the resources to see their names.",
    ),
    "ALREADY_EXISTS": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The resource exists.",
        fix="Update it instead.",
    ),
    "ETAG_MISMATCH": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The resource has changed since it was read.",
        fix="Read it again, look at the change, and repeat yours with the new etag.",
    ),
    "MODE_IMMUTABLE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The mode of a room class never changes, not even by deleting and creating it again.",
        fix="Create a class of another name.",
    ),
    "ROOM_CLASS_LIMIT": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The tenant has as many room classes as there may be, deleted ones included.",
        fix="Use a class that is there; rooms of one class can be told apart by their names.",
    ),
    "BUILT_IN": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="An unchanged built-in class can not be deleted.",
        fix="Leave it, or change its fields.",
    ),
    "OPTION_INVALID": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="An option has a value outside its bounds.",
        fix="Correct the option named in the message; docs/options.md lists all.",
    ),
    "ADDRESS_IN_USE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="Another process listens on the port.",
        fix="Stop it, or choose another PORT, CONTROL_PORT or ADMIN_PORT.",
    ),
    "GATEWAY_ID_IN_USE": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="Another process holds the lease of this GATEWAY_ID, or took it over while this one was silent.",
        fix="Stop the other process, or give each its own GATEWAY_ID; without one each takes a random id.",
    ),
    "STORE_LOCKED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="Another process uses the data folder.",
        fix="Stop it, or choose another DATA_DIR.",
    ),
    "STORE_CORRUPT": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The data folder's store can not be read.",
        fix="Restore a backup, or move the folder away to start empty.",
    ),
    "CLOSED": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The client or room was closed by its user.",
        fix="Connect or join again.",
    ),
    "CONNECT_FAILED": ErrorInfo(
        close=None,
        retry="reconnect",
        retry_after_ms=0,
        means="No gateway could be reached, or the connection was refused.",
        fix="Check the URL and that the gateway runs; SDKs keep trying.",
    ),
    "PAYLOAD_INVALID": ErrorInfo(
        close=None,
        retry="no",
        retry_after_ms=0,
        means="The room's codec could not encode a value, or decode the payload of a message.",
        fix="Use the codec that the room's publishers use; an undecoded message comes with its bytes.",
    ),
    "QUEUE_FULL": ErrorInfo(
        close=None,
        retry="same",
        retry_after_ms=100,
        means="More publishes wait in the SDK than its limit.",
        fix="Await publishes before making more.",
    ),
}
