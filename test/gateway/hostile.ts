/**
 * A gateway with a bystander: hostile frames go in on fresh connections, and the bystander shows
 * that nothing of it reached anyone else.
 */
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { ClientFrame, type ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";
import { RawClient } from "./raw-client.ts";
import { openTestGateway, type TestGatewayOptions } from "./start-gateway.ts";

type ClientKind = NonNullable<ClientFrame["frame"]>;
type ServerKind = NonNullable<ServerFrame["frame"]>;

/** What became of a connection that sent hostile frames. */
export interface Outcome {
  /** The close code, or 0 when the connection still answered a Ping afterwards. */
  readonly closeCode: number;
  /** Codes of the error frames, in order. */
  readonly errors: string[];
  /** Everything received after Welcome but the Pong, in order. */
  readonly frames: ServerKind[];
}

/** Names a Ping that no generated frame uses. */
const pingId = 0xfeed_beef;

/** Opens the gateway and lets a bystander join one durable and one ephemeral room. */
export async function openHostile(given: TestGatewayOptions = {}) {
  const gateway = await openTestGateway(given);
  const bystander = await gateway.client();
  const sender = await gateway.client();
  const durable = await bystander.join("chat:bystander");
  const ephemeral = await bystander.join("live:bystander");
  let expected = bystander.frames.length;
  let seq = 0;
  return {
    ...gateway,
    /**
     * Sends frames on a connection that has said Hello, and waits until it answers or ends.
     *
     * @param frames a text is sent as a text message.
     * @param answerCount frames to wait for besides, for what is answered after a look at the
     * store.
     */
    async outcome(
      frames: readonly (Uint8Array | string)[],
      answerCount = 0,
      hello: Partial<Hello> = {},
    ): Promise<Outcome> {
      const client = await RawClient.open(gateway.port, hello);
      const outcome = await provoke(client, frames, answerCount);
      client.socket.terminate();
      await client.closed;
      return outcome;
    },
    /** The same without Hello, unless it is among the frames. */
    async greeting(frames: readonly (Uint8Array | string)[]): Promise<Outcome> {
      const client = new RawClient(gateway.port);
      await client.opened();
      const outcome = await provoke(client, frames, 0);
      client.socket.terminate();
      await client.closed;
      return outcome;
    },
    /**
     * What the bystander has seen of what it should not: nothing, and it gets the next messages.
     */
    async unexpected(): Promise<ServerKind[]> {
      seq += 1;
      await sender.ack(sender.publish({ room: "chat:bystander", seq, payload: `next ${seq}` }));
      await sender.ack(sender.publish({ room: "live:bystander", payload: `next ${seq}` }));
      const texts = await bystander.texts(durable.roomAlias, seq);
      const others = await bystander.texts(ephemeral.roomAlias, seq);
      if (texts.at(-1) !== `next ${seq}` || others.at(-1) !== `next ${seq}`) {
        throw new Error(`the bystander got ${texts.at(-1)} and ${others.at(-1)}, not next ${seq}`);
      }
      const seen = bystander.frames.slice(expected);
      expected = bystander.frames.length;
      return seen.filter((frame) => !isNext(frame, seq));
    },
  };
}

/** The gateway as {@link openHostile} gives it. */
export type Hostile = Awaited<ReturnType<typeof openHostile>>;

async function provoke(
  client: RawClient,
  frames: readonly (Uint8Array | string)[],
  answerCount: number,
): Promise<Outcome> {
  const from = client.frames.length;
  for (const frame of frames) client.socket.send(frame);
  client.send({ $case: "ping", value: { id: pingId } });
  const isPong = (frame: ServerKind) => frame.$case === "pong" && frame.value.id === pingId;
  await client.nextCount(from + answerCount + 1, isPong);
  const isOpen = client.frames.some(isPong);
  const received = client.frames.slice(from).filter((frame) => !isPong(frame));
  return {
    closeCode: isOpen ? 0 : (await client.closed).code,
    errors: received.flatMap((frame) => (frame.$case === "error" ? [frame.value.code] : [])),
    frames: received,
  };
}

function isNext(frame: ServerKind, seq: number): boolean {
  return frame.$case === "message" && frame.value.envelope?.payload.toString() === `next ${seq}`;
}

/** A client frame's bytes. */
export function encode(frame: ClientKind): Buffer {
  return Buffer.from(ClientFrame.encode({ frame }).finish());
}

/** Bytes written field by field, for frames that the generated code would not write. */
export function write(build: (writer: BinaryWriter) => BinaryWriter): Buffer {
  return Buffer.from(build(new BinaryWriter()).finish());
}

/** A frame of kind `field` around raw contents. */
export function wrap(field: number, contents: Uint8Array): Buffer {
  return write((writer) => writer.uint32((field << 3) | 2).bytes(contents));
}

/** One frame of every kind that the gateway answers, as an honest client would send it. */
export function honestFrames(): { readonly kind: ClientKind["$case"]; readonly bytes: Buffer }[] {
  const room = "chat:honest";
  const after = { epoch: 1, seq: 7n, timeUs: 1_000_000n };
  const target = { $case: "room" as const, value: room };
  const producerKey = Buffer.alloc(16, 1);
  const build = { name: "a", version: "1.0.0", platform: "b" };
  const firstSentUs = BigInt(Date.now() * 1000);
  const publish = {
    requestId: 9,
    target,
    producerSeq: 1n,
    firstSentUs,
    traceparent: "",
    payload: Buffer.from("p"),
  };
  const history = { requestId: 8, target, cursor: { $case: "after" as const, value: after } };
  const attributes = [{ key: "plan", value: "gold" }];
  const session = { sessionToken: Buffer.alloc(33, 2), dialCount: 3, attributes, region: "eu" };
  const hello = { protocolMin: 1, protocolMax: 1, token: "", build, producerKey, ...session };
  const frames: ClientKind[] = [
    { $case: "hello", value: hello },
    { $case: "join", value: { requestId: 7, rooms: [{ room, after, history: 3 }] } },
    { $case: "leave", value: { requestId: 6, roomAlias: 1 } },
    { $case: "publish", value: publish },
    { $case: "history", value: { ...history, limit: 5 } },
    { $case: "ping", value: { id: 5 } },
    { $case: "refresh", value: { token: "t", requestId: 4 } },
    { $case: "flagExposures", value: { exposures: [{ key: "k", variant: "on", count: 2 }] } },
  ];
  return frames.map((frame) => ({ kind: frame.$case, bytes: encode(frame) }));
}
