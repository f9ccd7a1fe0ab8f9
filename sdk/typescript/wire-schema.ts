/**
 * The frames of the client protocol as a table: proto/tidegate/client/v1, field by field.
 *
 * Only what a client sends and receives. A new field in the .proto files is a new row here; until
 * then it is ignored like any unknown field, and test/sdk/wire.test.ts fails.
 */
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { ClientFrame, ServerFrame } from "./gen/tidegate/client/v1/frame.ts";
import type { History, HistoryPage } from "./gen/tidegate/client/v1/history.ts";
import type { Envelope, Gap, Message, Position } from "./gen/tidegate/client/v1/message.ts";
import type { Publish, PublishAck } from "./gen/tidegate/client/v1/publish.ts";
import type * as Room from "./gen/tidegate/client/v1/room.ts";
import type * as Session from "./gen/tidegate/client/v1/session.ts";
import { defineSchema, type Field, type FieldKind, type Schema } from "./wire.ts";

type Row<T> = readonly [number: number, name: keyof T & string, kind: FieldKind];

/** Fields that are present or default. */
function one<T>(...rows: Row<T>[]): Field[] {
  return rows.map(([number, name, kind]) => ({ number, name, kind, rule: "one", oneof: "" }));
}

function many<T>(...rows: Row<T>[]): Field[] {
  return one<T>(...rows).map((field) => ({ ...field, rule: "many" }));
}

function optional<T>(...rows: Row<T>[]): Field[] {
  return one<T>(...rows).map((field) => ({ ...field, rule: "optional" }));
}

function oneof(name: string, ...rows: Row<Record<string, unknown>>[]): Field[] {
  return one(...rows).map((field) => ({ ...field, oneof: name }));
}

function schema<T>(...groups: Field[][]): Schema<T> {
  return defineSchema<T>(groups.flat());
}

const position = schema<Position>(
  one<Position>([1, "epoch", "u32"], [2, "seq", "u64"], [3, "timeUs", "i64"]),
);
const envelope = schema<Envelope>(
  one<Envelope>(
    [1, "firstSentUs", "sf64"],
    [2, "user", "string"],
    [3, "producer", "bytes"],
    [4, "producerSeq", "u64"],
    [5, "payload", "bytes"],
  ),
);
const message = schema<Message>(
  one<Message>(
    [1, "roomAlias", "u32"],
    [2, "position", position],
    [3, "prevSeq", "u64"],
    [4, "envelope", envelope],
    [5, "ephemeralSeq", "u64"],
  ),
);
const limits = schema<Session.Limits>(
  one<Session.Limits>(
    [1, "frameBytesMax", "u32"],
    [2, "roomCountMax", "u32"],
    [3, "publishInFlightMax", "u32"],
    [4, "historyPageMax", "u32"],
  ),
);
const welcome = schema<Session.Welcome>(
  one<Session.Welcome>(
    [1, "protocol", "u32"],
    [2, "connectionId", "string"],
    [3, "serverTimeUs", "i64"],
    [4, "limits", limits],
    [5, "idleTimeoutMs", "u32"],
    [6, "publishBudgetMs", "u32"],
    [7, "tenant", "string"],
    [8, "user", "string"],
    [9, "serverVersion", "string"],
  ),
);
const policy = schema<Room.RoomPolicy>(
  one<Room.RoomPolicy>(
    [1, "durable", "bool"],
    [2, "mayPublish", "bool"],
    [3, "mayReadHistory", "bool"],
    [4, "historyCountMax", "u32"],
    [5, "historyAgeMaxS", "u32"],
  ),
);
const joined = schema<Room.Joined>(
  one<Room.Joined>(
    [1, "requestId", "u32"],
    [2, "room", "string"],
    [3, "roomAlias", "u32"],
    [4, "head", position],
  ),
  optional<Room.Joined>([5, "recovered", "bool"]),
  one<Room.Joined>([6, "loss", "u32"], [7, "policy", policy]),
);
const left = schema<Room.Left>(
  one<Room.Left>([1, "requestId", "u32"], [2, "roomAlias", "u32"], [3, "code", "string"]),
);
const publishAck = schema<PublishAck>(
  one<PublishAck>([1, "requestId", "u32"], [2, "position", position], [3, "duplicate", "bool"]),
);
const gap = schema<Gap>(
  one<Gap>(
    [1, "roomAlias", "u32"],
    [2, "reason", "u32"],
    [3, "missedCount", "u64"],
    [4, "after", position],
  ),
);
const historyPage = schema<HistoryPage>(
  one<HistoryPage>([1, "requestId", "u32"]),
  many<HistoryPage>([2, "messages", message]),
  one<HistoryPage>([3, "hasMore", "bool"]),
  optional<HistoryPage>([4, "recovered", "bool"]),
);
const pong = schema<Session.Pong>(one<Session.Pong>([1, "id", "u32"], [2, "serverTimeUs", "i64"]));
const policyChanged = schema<Room.RoomPolicyChanged>(
  one<Room.RoomPolicyChanged>([1, "roomAlias", "u32"], [2, "policy", policy]),
);
const errorFrame = schema<ErrorFrame>(
  one<ErrorFrame>(
    [1, "requestId", "u32"],
    [2, "code", "string"],
    [3, "message", "string"],
    [4, "retryable", "bool"],
    [5, "retryAfterMs", "u32"],
    [6, "room", "string"],
  ),
);

/** What gateways send. */
export const serverFrame = schema<ServerFrame>(
  oneof(
    "frame",
    [1, "welcome", welcome],
    [2, "joined", joined],
    [3, "left", left],
    [4, "publishAck", publishAck],
    [5, "message", message],
    [6, "gap", gap],
    [7, "historyPage", historyPage],
    [8, "pong", pong],
    [9, "roomPolicyChanged", policyChanged],
    [10, "error", errorFrame],
  ),
);

const build = schema<Session.ClientBuild>(
  one<Session.ClientBuild>(
    [1, "name", "string"],
    [2, "version", "string"],
    [3, "platform", "string"],
  ),
);
const hello = schema<Session.Hello>(
  one<Session.Hello>(
    [1, "protocolMin", "u32"],
    [2, "protocolMax", "u32"],
    [3, "token", "string"],
    [4, "build", build],
    [5, "producerKey", "bytes"],
  ),
);
const joinRoom = schema<Room.JoinRoom>(
  one<Room.JoinRoom>([1, "room", "string"], [2, "after", position], [3, "history", "u32"]),
);
const join = schema<Room.Join>(
  one<Room.Join>([1, "requestId", "u32"]),
  many<Room.Join>([2, "rooms", joinRoom]),
);
const leave = schema<Room.Leave>(one<Room.Leave>([1, "requestId", "u32"], [2, "roomAlias", "u32"]));
const publish = schema<Publish>(
  one<Publish>([1, "requestId", "u32"]),
  oneof("target", [2, "roomAlias", "u32"], [3, "room", "string"]),
  one<Publish>([4, "producerSeq", "u64"], [5, "firstSentUs", "sf64"], [6, "payload", "bytes"]),
);
const history = schema<History>(
  one<History>([1, "requestId", "u32"]),
  oneof("target", [2, "roomAlias", "u32"], [3, "room", "string"]),
  oneof("cursor", [4, "before", position], [5, "after", position]),
  one<History>([6, "limit", "u32"]),
);
const ping = schema<Session.Ping>(one<Session.Ping>([1, "id", "u32"]));

/** What clients send. */
export const clientFrame = schema<ClientFrame>(
  oneof(
    "frame",
    [1, "hello", hello],
    [2, "join", join],
    [3, "leave", leave],
    [4, "publish", publish],
    [5, "history", history],
    [6, "ping", ping],
  ),
);
