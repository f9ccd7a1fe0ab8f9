/**
 * The frames of the client protocol as a table: proto/tidegate/client/v1, field by field.
 *
 * Only what this client sends, or reads of what it receives. A new field in the .proto files is a
 * new row here; until then it is ignored like any unknown field, and test/sdk/wire.test.ts fails.
 */
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type * as Flag from "./gen/tidegate/client/v1/flag.ts";
import type { ClientFrame, ServerFrame } from "./gen/tidegate/client/v1/frame.ts";
import type { History, HistoryPage } from "./gen/tidegate/client/v1/history.ts";
import type { Envelope, Gap, Message, Position } from "./gen/tidegate/client/v1/message.ts";
import type { Publish, PublishAck } from "./gen/tidegate/client/v1/publish.ts";
import type * as Room from "./gen/tidegate/client/v1/room.ts";
import type * as Session from "./gen/tidegate/client/v1/session.ts";
import type * as Version from "./gen/tidegate/client/v1/version.ts";
import type { Field, FieldKind, Schema } from "./wire.ts";

/**
 * A message. Its fields are named in the order of their numbers, which have no holes: `name kind`,
 * or `name` alone for the next of the schemas given; `name?` is optional, `name*` a list, and
 * `group.name` belongs to a oneof. As text because every browser loads it.
 */
function schema<T>(text: string, ...schemas: Schema[]): Schema<T> {
  const fields = text.split(/,\s*/).map((row, at): Field => {
    const [, oneof = "", name = "", mark = "", kind] =
      /^(?:(\w+)\.)?(\w+)([?*]?) ?(\w*)$/.exec(row) ?? [];
    return {
      number: at + 1,
      name,
      kind: (kind || schemas.shift()) as FieldKind,
      mark: mark as Field["mark"],
      oneof,
    };
  });
  return { fields };
}

const position = schema<Position>("epoch u32,seq u64,timeUs u64");
const envelope = schema<Envelope>(
  "firstSentUs sf64,user string,producer bytes,producerSeq u64,payload bytes",
);
const message = schema<Message>(
  "roomAlias u32,position,prevSeq u64,envelope,ephemeralSeq u64",
  position,
  envelope,
);
const limits = schema<Session.Limits>("frameBytesMax u32,roomCountMax u32,publishInFlightMax u32");
const flag = schema<Flag.Flag>(
  "key string,valueJson string,variant string,reason string,version u64",
);
const flags = schema<Flag.Flags>("flags*,all bool,version u64,ageMs u32,stale bool", flag);
const welcome = schema<Session.Welcome>(
  `protocol u32,connectionId string,serverTimeUs u64,limits,idleTimeoutMs u32,publishBudgetMs u32,
   tenant string,user string,serverVersion string,sessionToken bytes,targets* string,
   tokenExpiresInMs u32,flags,producer bytes`,
  limits,
  flags,
);
const policy = schema<Room.RoomPolicy>(
  `durable bool,mayPublish bool,mayReadHistory bool,historyCountMax u32,historyAgeMaxS u32,
   degraded bool`,
);
const joined = schema<Room.Joined>(
  "requestId u32,room string,roomAlias u32,head,recovered? bool,loss u32,policy,sibling string",
  position,
  policy,
);
const left = schema<Room.Left>("requestId u32,roomAlias u32,code string");
const publishAck = schema<PublishAck>("requestId u32,position,duplicate bool", position);
const gap = schema<Gap>("roomAlias u32,reason u32,missedCount u64");
const historyPage = schema<HistoryPage>(
  "requestId u32,messages*,hasMore bool,recovered? bool",
  message,
);
const pong = schema<Session.Pong>("id u32,serverTimeUs u64");
const policyChanged = schema<Room.RoomPolicyChanged>("roomAlias u32,policy", policy);
const errorFrame = schema<ErrorFrame>(
  `requestId u32,code string,message string,retryable bool,retryAfterMs u32,room string,
   limit string,limitValue u64`,
);
const goAway = schema<Session.GoAway>("reason u32,delayMs u32,target string");
const refreshed = schema<Session.Refreshed>("requestId u32,tokenExpiresInMs u32");
const tokenExpiring = schema<Session.TokenExpiring>("expiresInMs u32,revoked bool");
const versionMismatch = schema<Version.VersionMismatch>(
  `action u32,version string,required string,message string,downloadUrl string,room string,
   gate string`,
);
const redirect = schema<Version.Redirect>("target string,delayMs u32");

/** What gateways send. */
export const serverFrame = schema<ServerFrame>(
  `frame.welcome,frame.joined,frame.left,frame.publishAck,frame.message,frame.gap,
   frame.historyPage,frame.pong,frame.roomPolicyChanged,frame.error,frame.goAway,
   frame.refreshed,frame.tokenExpiring,frame.flags,frame.versionMismatch,frame.redirect`,
  welcome,
  joined,
  left,
  publishAck,
  message,
  gap,
  historyPage,
  pong,
  policyChanged,
  errorFrame,
  goAway,
  refreshed,
  tokenExpiring,
  flags,
  versionMismatch,
  redirect,
);

const build = schema<Session.ClientBuild>("name string,version string,platform string");
const attribute = schema<Session.Attribute>("key string,value string");
const hello = schema<Session.Hello>(
  `protocolMin u32,protocolMax u32,token string,build,producerKey bytes,
   sessionToken bytes,dialCount u32,attributes*,region string`,
  build,
  attribute,
);
const joinRoom = schema<Room.JoinRoom>("room string,after,history u32", position);
const join = schema<Room.Join>("requestId u32,rooms*", joinRoom);
const leave = schema<Room.Leave>("requestId u32,roomAlias u32");
const publish = schema<Publish>(
  `requestId u32,target.roomAlias u32,target.room string,
   producerSeq u64,firstSentUs sf64,payload bytes`,
);
const history = schema<History>(
  "requestId u32,target.roomAlias u32,target.room string,cursor.before,cursor.after,limit u32",
  position,
  position,
);
const ping = schema<Session.Ping>("id u32");
const refresh = schema<Session.Refresh>("token string,requestId u32");
const exposure = schema<Flag.FlagExposure>("key string,variant string,count u32");
const flagExposures = schema<Flag.FlagExposures>("exposures*", exposure);

/** What clients send. */
export const clientFrame = schema<ClientFrame>(
  `frame.hello,frame.join,frame.leave,frame.publish,frame.history,frame.ping,frame.refresh,
   frame.flagExposures`,
  hello,
  join,
  leave,
  publish,
  history,
  ping,
  refresh,
  flagExposures,
);
