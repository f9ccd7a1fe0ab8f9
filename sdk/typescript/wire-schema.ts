/**
 * The frames of the client protocol as a table: proto/tidegate/client/v1, field by field.
 *
 * Only what this client sends, or reads of what it receives. A new field in the .proto files is a
 * new word here; until then it is ignored like any unknown field, and test/sdk/wire.test.ts fails.
 */
import type { ClientFrame, ServerFrame } from "./gen/tidegate/client/v1/frame.ts";
import type { Field, FieldKind, Schema } from "./wire.ts";

/**
 * Messages, each after those that it holds. Fields are named in the order of their numbers, which
 * have no holes: `name kind`, the kind a scalar or a message, or `name` alone for the message of
 * that name, else `u32`; `name?` is optional, `name*` a list, and `group.name` belongs to a oneof.
 * As text because every browser loads it.
 */
const TABLE = `
position:epoch,seq u64,timeUs u64;
envelope:firstSentUs sf64,user string,producer bytes,producerSeq u64,payload bytes,
traceparent string;
message:roomAlias,position,prevSeq u64,envelope,ephemeralSeq u64,
traceparent string;
limits:frameBytesMax,roomCountMax,publishInFlightMax;
flag:key string,valueJson string,variant string,reason string,version u64;
flags:flags* flag,all bool,version u64,ageMs,stale bool;
welcome:protocol,connectionId string,serverTimeUs u64,limits,idleTimeoutMs,
publishBudgetMs,tenant string,user string,serverVersion string,sessionToken bytes,
targets* string,tokenExpiresInMs,flags,producer bytes;
policy:durable bool,mayPublish bool,mayReadHistory bool,historyCountMax,historyAgeMaxS,
degraded bool;
joined:requestId,room string,roomAlias,head position,recovered? bool,loss,policy;
left:requestId,roomAlias,code string;
publishAck:requestId,position,duplicate bool,traceId string;
gap:roomAlias,reason,missedCount u64;
historyPage:requestId,messages* message,hasMore bool,recovered? bool;
pong:id,serverTimeUs u64;
roomPolicyChanged:roomAlias,policy;
error:requestId,code string,message string,retryable bool,retryAfterMs,room string,
limit string,limitValue u64,traceId string;
goAway:reason,delayMs,target string;
refreshed:requestId,tokenExpiresInMs;
tokenExpiring:expiresInMs;
versionMismatch:action,version string,required string,message string,downloadUrl string,
room string,gate string;
redirect:target string,delayMs;
server:frame.welcome,frame.joined,frame.left,frame.publishAck,frame.message,frame.gap,
frame.historyPage,frame.pong,frame.roomPolicyChanged,frame.error,frame.goAway,frame.refreshed,
frame.tokenExpiring,frame.flags,frame.versionMismatch,frame.redirect;
build:name string,version string,platform string;
attribute:key string,value string;
hello:protocolMin,protocolMax,token string,build,producerKey bytes,sessionToken bytes,
dialCount,attributes* attribute,region string;
wish:room string,after position,history;
join:requestId,rooms* wish;
leave:requestId,roomAlias;
publish:requestId,target.roomAlias,target.room string,producerSeq u64,firstSentUs sf64,
payload bytes,traceparent string;
history:requestId,target.roomAlias,target.room string,cursor.before position,
cursor.after position,limit;
ping:id;
refresh:token string,requestId;
exposure:key string,variant string,count;
flagExposures:exposures* exposure;
client:frame.hello,frame.join,frame.leave,frame.publish,frame.history,frame.ping,frame.refresh,
frame.flagExposures`;

const schemas = new Map<string, Schema>();
for (const [, message = "", fields = ""] of TABLE.matchAll(/(\w+):([^;]+)/g)) {
  schemas.set(message, { fields: fields.split(/,\s*/).map(readField) });
}

/** What gateways send. */
export const serverFrame = schemas.get("server") as Schema<ServerFrame>;
/** What clients send. */
export const clientFrame = schemas.get("client") as Schema<ClientFrame>;

function readField(text: string, at: number): Field {
  const [, oneof = "", name = "", mark = "", kind] =
    /^(?:(\w+)\.)?(\w+)([?*]?)(?: (\w+))?$/.exec(text) ?? [];
  return {
    number: at + 1,
    name,
    kind: schemas.get(kind ?? name) ?? ((kind ?? "u32") as FieldKind),
    mark: mark as Field["mark"],
    oneof,
  };
}
