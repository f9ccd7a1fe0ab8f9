/** The table-driven codec against generated code (proto/gen) and the compiled .proto files. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ClientFrame, ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { decode, encode, type Schema } from "../../sdk/typescript/wire.ts";
import { clientFrame, serverFrame } from "../../sdk/typescript/wire-schema.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.maxSafeNat();
const sf64 = fc.maxSafeInteger();
const bytes = fc.uint8Array({ maxLength: 300 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const position = fc.record({ epoch: u32, seq: u64, timeUs: u64 });
const envelope = fc.record({
  firstSentUs: sf64,
  user: fc.string({ unit: "grapheme" }),
  producer: bytes,
  producerSeq: u64,
  payload: bytes,
  traceparent: fc.string(),
});
const message = fc.record({
  roomAlias: u32,
  position: maybe(position),
  prevSeq: u64,
  envelope: maybe(envelope),
  ephemeralSeq: u64,
  traceparent: fc.string(),
});
const policy = fc.record({
  durable: fc.boolean(),
  mayPublish: fc.boolean(),
  mayReadHistory: fc.boolean(),
  historyCountMax: u32,
  historyAgeMaxS: u32,
  degraded: fc.boolean(),
  memberCountMax: u32,
  roomPublishesPerSecondMax: u32,
  classPublishesPerSecondMax: u32,
  payloadBytesMax: u32,
});
const limits = fc.record({
  frameBytesMax: u32,
  roomCountMax: u32,
  publishInFlightMax: u32,
  historyPageMax: u32,
  tenantConnectionCountMax: u64,
  userConnectionCountMax: u64,
  ipConnectionCountMax: u64,
  tenantRoomCountMax: u64,
  framesPerSecondMax: u32,
  bytesPerSecondMax: u32,
  userPublishesPerSecondMax: u32,
  tenantStoredBytesMax: u64,
  tenantConnectsPerSecondMax: u32,
});
const flags = fc.record({
  flags: fc.array(
    fc.record({
      key: fc.string(),
      valueJson: fc.json(),
      variant: fc.string(),
      reason: fc.string(),
      version: u64,
    }),
    { maxLength: 4 },
  ),
  all: fc.boolean(),
  version: u64,
  ageMs: u32,
  stale: fc.boolean(),
});

/** Everything a gateway sends. */
const serverFrames = fc.oneof(
  kindOf("welcome", {
    protocol: u32,
    connectionId: fc.string(),
    serverTimeUs: u64,
    limits: maybe(limits),
    idleTimeoutMs: u32,
    publishBudgetMs: u32,
    tenant: fc.string(),
    user: fc.string(),
    serverVersion: fc.string(),
    sessionToken: bytes,
    targets: fc.array(fc.string(), { maxLength: 4 }),
    tokenExpiresInMs: u32,
    flags: maybe(flags),
    producer: bytes,
  }),
  kindOf("joined", {
    requestId: u32,
    room: fc.string(),
    roomAlias: u32,
    head: maybe(position),
    recovered: maybe(fc.boolean()),
    loss: fc.integer({ min: 0, max: 4 }),
    policy: maybe(policy),
    sibling: fc.string({ unit: "grapheme" }),
  }),
  kindOf("left", { requestId: u32, roomAlias: u32, code: fc.string() }),
  kindOf("publishAck", {
    requestId: u32,
    position: maybe(position),
    duplicate: fc.boolean(),
    traceId: fc.string(),
  }),
  fc.record({ $case: fc.constant("message"), value: message }),
  kindOf("gap", {
    roomAlias: u32,
    reason: fc.integer({ min: 0, max: 4 }),
    missedCount: u64,
    after: maybe(position),
  }),
  kindOf("historyPage", {
    requestId: u32,
    messages: fc.array(message, { maxLength: 4 }),
    hasMore: fc.boolean(),
    recovered: maybe(fc.boolean()),
  }),
  kindOf("pong", { id: u32, serverTimeUs: u64 }),
  kindOf("roomPolicyChanged", { roomAlias: u32, policy: maybe(policy) }),
  kindOf("error", {
    requestId: u32,
    code: fc.string(),
    message: fc.string(),
    retryable: fc.boolean(),
    retryAfterMs: u32,
    room: fc.string(),
    limit: fc.string(),
    limitValue: u64,
    traceId: fc.string(),
  }),
  kindOf("goAway", {
    reason: fc.integer({ min: 0, max: 3 }),
    delayMs: u32,
    target: fc.string(),
    deadlineMs: u32,
  }),
  kindOf("refreshed", { requestId: u32, tokenExpiresInMs: u32 }),
  kindOf("tokenExpiring", { expiresInMs: u32, revoked: fc.boolean() }),
  fc.record({ $case: fc.constant("flags"), value: flags }),
  kindOf("versionMismatch", {
    action: fc.integer({ min: 0, max: 4 }),
    version: fc.string(),
    required: fc.string(),
    message: fc.string(),
    downloadUrl: fc.string(),
    room: fc.string(),
    gate: fc.string(),
  }),
  kindOf("redirect", { target: fc.string(), delayMs: u32 }),
);

const build = fc.record({ name: fc.string(), version: fc.string(), platform: fc.string() });
const room = fc.record({ room: fc.string(), after: maybe(position), history: u32 });
const target = maybe(
  fc.oneof(
    fc.record({ $case: fc.constant("roomAlias"), value: u32 }),
    fc.record({ $case: fc.constant("room"), value: fc.string() }),
  ),
);
const cursor = maybe(
  fc.oneof(
    fc.record({ $case: fc.constant("before"), value: position }),
    fc.record({ $case: fc.constant("after"), value: position }),
  ),
);

/** Everything a client sends. */
const clientFrames = fc.oneof(
  kindOf("hello", {
    protocolMin: u32,
    protocolMax: u32,
    token: fc.string(),
    build: maybe(build),
    producerKey: bytes,
    sessionToken: bytes,
    dialCount: u32,
    attributes: fc.array(fc.record({ key: fc.string(), value: fc.string() }), { maxLength: 4 }),
    region: fc.string(),
  }),
  kindOf("join", { requestId: u32, rooms: fc.array(room, { maxLength: 4 }) }),
  kindOf("leave", { requestId: u32, roomAlias: u32 }),
  kindOf("publish", {
    requestId: u32,
    target,
    producerSeq: u64,
    firstSentUs: sf64,
    payload: fc.uint8Array({ maxLength: 2000 }),
    traceparent: fc.string(),
  }),
  kindOf("history", { requestId: u32, target, cursor, limit: u32 }),
  kindOf("ping", { id: u32 }),
  kindOf("refresh", { token: fc.string(), requestId: u32 }),
  kindOf("flagExposures", {
    exposures: fc.array(fc.record({ key: fc.string(), variant: fc.string(), count: u32 }), {
      maxLength: 4,
    }),
  }),
);

function kindOf(name: string, fields: Record<string, fc.Arbitrary<unknown>>) {
  return fc.record({ $case: fc.constant(name), value: fc.record(fields) });
}

/** What gateways tell, and the SDK makes no use of; the last fields of their messages. */
const unread: Record<string, string[]> = {
  RoomPolicy: [
    ...["memberCountMax", "roomPublishesPerSecondMax"],
    ...["classPublishesPerSecondMax", "payloadBytesMax"],
  ],
  Joined: ["sibling"],
  Gap: ["after"],
  GoAway: ["deadlineMs"],
  TokenExpiring: ["revoked"],
  Limits: [
    "historyPageMax",
    ...["tenantConnectionCountMax", "userConnectionCountMax", "ipConnectionCountMax"],
    ...["tenantStoredBytesMax", "tenantConnectsPerSecondMax"],
    ...["tenantRoomCountMax", "framesPerSecondMax", "bytesPerSecondMax"],
    "userPublishesPerSecondMax",
  ],
};

/** Names of the 64-bit fields, which proto/gen has as bigint and the SDK as number. */
const wide = new Set(["seq", "timeUs", "firstSentUs", "producerSeq", "prevSeq"]);
for (const name of ["ephemeralSeq", "serverTimeUs", "missedCount", "limitValue"]) wide.add(name);
for (const whose of ["tenant", "user", "ip"]) wide.add(`${whose}ConnectionCountMax`);
wide.add("tenantRoomCountMax").add("version").add("tenantStoredBytesMax");

/** The same frame with 64-bit fields as bigint. */
function widen(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(widen);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      wide.has(name) && typeof inner === "number" ? BigInt(inner) : widen(inner),
    ]),
  );
}

/** A gateway's frame without what the SDK makes no use of. */
function asRead(value: unknown): unknown {
  const names = Object.values(unread).flat();
  if (Array.isArray(value)) return value.map(asRead);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const read = Object.entries(value).filter(([name]) => !names.includes(name));
  return Object.fromEntries(read.map(([name, inner]) => [name, asRead(inner)]));
}

describe("wire", () => {
  test("decode: reads every server frame that generated code writes", () => {
    fc.assert(
      fc.property(serverFrames, (frame) => {
        const written = ServerFrame.encode({ frame: widen(frame) } as ServerFrame).finish();
        expect(decode(serverFrame, new Uint8Array(written)).frame).toEqual(asRead(frame));
      }),
      { numRuns: 2000 },
    );
  });

  test("encode: writes every client frame byte for byte as generated code does", () => {
    fc.assert(
      fc.property(clientFrames, (frame) => {
        const written = ClientFrame.encode({ frame: widen(frame) } as ClientFrame).finish();
        const ours = encode(clientFrame, { frame: frame as never });
        expect(Buffer.from(ours).equals(Buffer.from(written))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("decode: any bytes give a frame or a RangeError, cut frames too", () => {
    let refusedCount = 0;
    const tryDecode = (input: Uint8Array) => {
      try {
        decode(serverFrame, input);
      } catch (reason) {
        expect(reason).toBeInstanceOf(RangeError);
        refusedCount += 1;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), tryDecode), { numRuns: 20_000 });
    fc.assert(
      fc.property(serverFrames, fc.nat(), (frame, cut) => {
        const written = ServerFrame.encode({ frame: widen(frame) } as ServerFrame).finish();
        tryDecode(new Uint8Array(written.subarray(0, cut % (written.length + 1))));
      }),
      { numRuns: 2000 },
    );
    expect(refusedCount).toBeGreaterThan(1000);
  });

  test("decode: skips unknown fields of every wire type, and known ones of another type", () => {
    const unknown = [
      0xf8, 0x07, 0x96, 0x01, 0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8, 0xfa, 0x07, 2, 9, 9,
    ];
    const other = [0xfd, 0x07, 1, 2, 3, 4, 0x40, 0x05]; // field 127 fixed32; pong as a varint
    const pong = encode(clientFrame, { frame: { $case: "ping", value: { id: 7 } } });
    pong[0] = 0x42; // field 8 of ServerFrame: pong
    const frame = decode(serverFrame, Uint8Array.from([...unknown, ...pong, ...other])).frame;
    expect(frame).toEqual({ $case: "pong", value: { id: 7, serverTimeUs: 0 } });
  });

  test("decode: a number beyond 2^53 - 1 is refused rather than rounded", () => {
    const frame = { $case: "pong", value: { id: 1, serverTimeUs: 2n ** 53n } } as const;
    const written = new Uint8Array(ServerFrame.encode({ frame }).finish());
    expect(() => decode(serverFrame, written)).toThrow(RangeError);
  });

  test("schema: has every field of the .proto files, with its number and kind", () => {
    const file = path.join(import.meta.dirname, "../../proto/gen/descriptor-set.binpb");
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(file));
    const messages = new Map(
      set.file
        .filter((each) => each.package === "tidegate.client.v1")
        .flatMap((each) => each.messageType.map((type) => [type.name, type] as const)),
    );
    const seen = new Set<string>();
    compare("ClientFrame", clientFrame, messages, seen);
    compare("ServerFrame", serverFrame, messages, seen);
    expect([...messages.keys()].filter((name) => !seen.has(name))).toEqual([]);
  });
});

function compare(
  name: string,
  schema: Schema,
  messages: ReadonlyMap<string, DescriptorProto>,
  seen: Set<string>,
): void {
  if (seen.has(name)) return;
  seen.add(name);
  const type = messages.get(name);
  const rows = (type?.field ?? []).filter(({ jsonName }) => !unread[name]?.includes(jsonName));
  expect(
    schema.fields.map((field) => [
      field.number,
      field.name,
      typeof field.kind === "object" ? "message" : field.kind,
      field.mark,
      field.oneof,
    ]),
    name,
  ).toEqual(rows.map((field) => row(field, type)));
  for (const field of rows) {
    const kind = schema.fields[(field.number ?? 0) - 1]?.kind;
    if (typeof kind !== "object") continue;
    compare(field.typeName.split(".").at(-1) ?? "", kind, messages, seen);
  }
}

function row(field: FieldDescriptorProto, type: DescriptorProto | undefined): unknown[] {
  const kinds: Partial<Record<FieldDescriptorProto_Type, string>> = {
    [FieldDescriptorProto_Type.UINT32]: "u32",
    [FieldDescriptorProto_Type.ENUM]: "u32",
    [FieldDescriptorProto_Type.UINT64]: "u64",
    [FieldDescriptorProto_Type.INT64]: "u64",
    [FieldDescriptorProto_Type.SFIXED64]: "sf64",
    [FieldDescriptorProto_Type.BOOL]: "bool",
    [FieldDescriptorProto_Type.STRING]: "string",
    [FieldDescriptorProto_Type.BYTES]: "bytes",
    [FieldDescriptorProto_Type.MESSAGE]: "message",
  };
  const isMany = field.label === FieldDescriptorProto_Label.REPEATED;
  const mark = field.proto3Optional ? "?" : isMany ? "*" : "";
  const isInOneof = field.proto3Optional === false && Object.hasOwn(field, "oneofIndex");
  const oneof = isInOneof ? (type?.oneofDecl[field.oneofIndex]?.name ?? "") : "";
  return [field.number, field.jsonName, kinds[field.type], mark, oneof];
}
