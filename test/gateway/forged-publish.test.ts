/**
 * A Publish that carries what only a gateway may write: field numbers of Message, Envelope and
 * ServerFrame, repeated and unknown fields in any order. Nothing of it may reach another client
 * outside the payload, and both decoders must read the same out of it.
 */
import { randomBytes } from "node:crypto";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { afterAll, beforeAll, expect, test } from "vitest";
import { producerHash } from "../../bus/producer.ts";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { Envelope, Message } from "../../proto/gen/tidegate/client/v1/message.ts";
import { type Hostile, openHostile, wrap, write } from "./hostile.ts";
import { seededRandom } from "./lossy-bus.ts";
import type { RawClient } from "./raw-client.ts";

let gateway: Hostile;
let member: RawClient;
let forger: RawClient;
/** Bytes of every frame that the member received. */
const received: Buffer[] = [];
const rooms = ["chat:forged", "live:forged"] as const;
const aliases = new Map<string, number>();

beforeAll(async () => {
  gateway = await openHostile();
  member = await gateway.client();
  forger = await gateway.client();
  for (const room of rooms) {
    aliases.set(room, (await member.join(room)).roomAlias);
    await forger.join(room);
  }
  member.socket.on("message", (bytes: Buffer) => received.push(bytes));
});
afterAll(() => gateway.close());

/** Stands in every forged text field, so that one byte of it that gets through is found. */
const mark = "F0RGED";
const forgedEnvelope = Envelope.encode({
  firstSentUs: 1n,
  user: mark,
  producer: Buffer.from(mark),
  producerSeq: 424_242n,
  traceparent: "",
  payload: Buffer.from(mark),
}).finish();
const forgedMessage = Message.encode({
  roomAlias: 424_242,
  position: { epoch: 424_242, seq: 424_242n, timeUs: 424_242n },
  prevSeq: 424_242n,
  envelope: Envelope.decode(forgedEnvelope),
  traceparent: "",
  ephemeralSeq: 424_242n,
}).finish();

/** One field of every number from 1 to 20 and every wire type, holding forged contents. */
function forgedFields(): Buffer[] {
  const contents = [Buffer.from(mark), Buffer.from(forgedEnvelope), Buffer.from(forgedMessage)];
  const fields: Buffer[] = [];
  for (let field = 1; field <= 20; field += 1) {
    const tag = (wireType: number) => new BinaryWriter().uint32((field << 3) | wireType);
    fields.push(Buffer.from(tag(0).uint64(424_242n).finish()));
    fields.push(Buffer.from(tag(1).fixed64(424_242n).finish()));
    fields.push(Buffer.from(tag(5).fixed32(424_242).finish()));
    for (const each of contents) fields.push(Buffer.from(tag(2).bytes(each).finish()));
  }
  return fields;
}

/** The fields that a publish really has; what counts, since they come last. */
function trueFields(requestId: number, room: string, seq: number, payload: Buffer): Buffer {
  return write((writer) =>
    writer
      .uint32((1 << 3) | 0)
      .uint32(requestId)
      .uint32((3 << 3) | 2)
      .string(room)
      .uint32((4 << 3) | 0)
      .uint64(seq)
      .uint32((5 << 3) | 1)
      .sfixed64(BigInt(Date.now() * 1000))
      .uint32((6 << 3) | 2)
      .bytes(payload),
  );
}

/** `items` in an order that `random` decides. */
function shuffle<Item>(items: readonly Item[], random: () => number): Item[] {
  const keyed = items.map((item) => [random(), item] as const);
  return keyed.sort(([a], [b]) => a - b).map(([, item]) => item);
}

const seed = 20_261_122;

test.each(rooms)(`${mark} fields in a Publish to %s reach nobody, seed ${seed}`, async (room) => {
  const random = seededRandom(seed);
  const alias = aliases.get(room) ?? 0;
  const producer = producerHash("default", "", forger.producerKey);
  const first = received.length;
  const payloads: Buffer[] = [];
  for (let i = 1; i <= 60; i += 1) {
    const requestId = 1000 + i + (room === "chat:forged" ? 0 : 1000);
    const payload = randomBytes(1 + Math.floor(random() * 300));
    payloads.push(payload);
    const fields = shuffle(forgedFields(), random).slice(0, Math.floor(random() * 120));
    const body = Buffer.concat([...fields, trueFields(requestId, room, i, payload)]);
    const frame = wrap(4, body);
    // Odd ones by the fast scan, even ones by the generated decoder.
    forger.socket.send(i % 2 === 1 ? frame : Buffer.concat([wrap(4, randomBytes(0)), frame]));
    const ack = await forger.ack(requestId);
    const messages = await member.texts(alias, i).then(() => member.messages(alias));
    const message = messages.at(-1);
    expect(message?.envelope?.payload.equals(payload)).toBe(true);
    expect(message?.envelope?.user).toBe("");
    expect(message?.envelope?.producer.toString("latin1")).toBe(producer);
    expect(message?.envelope?.producerSeq).toBe(BigInt(i));
    expect(message?.position).toEqual(ack.position);
    expect(message?.roomAlias).toBe(alias);
    if (room === "live:forged") expect(message?.ephemeralSeq).toBe(BigInt(i));
  }
  const frames = received.slice(first);
  expect(frames.length).toBe(payloads.length);
  for (const [i, bytes] of frames.entries()) {
    expect(bytes.includes(mark)).toBe(false);
    expect(bytes.indexOf(payloads[i] ?? mark)).toBe(bytes.length - (payloads[i]?.length ?? 0));
    // Encoded anew it has the same length: nothing unknown stands between what we know.
    const again = ServerFrame.encode(ServerFrame.decode(bytes)).finish();
    expect(again.length).toBe(bytes.length);
  }
  expect(await gateway.unexpected()).toEqual([]);
});

test("a Publish's payload that is a whole ServerFrame stays a payload", async () => {
  const alias = aliases.get("live:forged") ?? 0;
  const value = Message.decode(forgedMessage);
  const payload = Buffer.from(ServerFrame.encode({ frame: { $case: "message", value } }).finish());
  const before = member.frames.length;
  forger.publish({ room: "live:forged", payload, requestId: 5001 });
  await forger.ack(5001);
  await member.settle();
  const seen = member.frames.slice(before).filter((frame) => frame.$case !== "pong");
  expect(seen.length).toBe(1);
  const [frame] = seen;
  expect(frame?.$case === "message" && frame.value.roomAlias).toBe(alias);
  expect(frame?.$case === "message" && frame.value.envelope?.payload.equals(payload)).toBe(true);
});

test("fields given twice: the last one counts, by both decoders alike", async () => {
  const now = BigInt(Date.now() * 1000);
  const alias = aliases.get("live:forged") ?? 0;
  const twice = (last: "name" | "alias", requestId: number) =>
    write((writer) => {
      writer.uint32(8).uint32(1).uint32(50).string("first payload").uint32(32).uint64(1);
      if (last === "name") writer.uint32(16).uint32(424_242).uint32(26).string("live:forged");
      else writer.uint32(26).string("nosuch:room").uint32(16).uint32(alias);
      writer.uint32(41).sfixed64(-5n).uint32(41).sfixed64(now);
      return writer.uint32(8).uint32(requestId).uint32(50).string("last").uint32(32).uint64(7);
    });
  const before = member.messages(alias).length;
  let requestId = 6000;
  for (const last of ["name", "alias"] as const) {
    for (const prefix of [Buffer.alloc(0), wrap(6, Buffer.alloc(0))]) {
      requestId += 1;
      forger.socket.send(Buffer.concat([prefix, wrap(4, twice(last, requestId))]));
      await forger.ack(requestId);
    }
  }
  await member.texts(alias, before + 4);
  for (const { envelope } of member.messages(alias).slice(before)) {
    expect(envelope?.payload.toString()).toBe("last");
    expect([envelope?.producerSeq, envelope?.firstSentUs]).toEqual([7n, now]);
  }
});
