/** bus/nats/outbox.ts: what is published in one turn leaves in its order, in one write. */
import type { NatsConnection } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { Outbox } from "../../../bus/nats/outbox.ts";

/** The end of this loop turn. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

const never = () => expect.unreachable("everything is sent");

/** A connection that notes what it is given. */
function notingConnection(sent: string[], isClosed = () => false): NatsConnection {
  const publish = (subject: string, bytes: Uint8Array) => sent.push(`${subject}=${bytes[0]}`);
  return { publish, isClosed } as unknown as NatsConnection;
}

test("Outbox: holds a turn's messages to its end and keeps their order", async () => {
  const sent: string[] = [];
  const outbox = new Outbox(notingConnection(sent), never);
  for (let i = 0; i < 5; i += 1) {
    await Promise.resolve(); // a callback of its own, as each client socket is
    outbox.publish(`s${i % 2}`, Uint8Array.of(i));
  }
  expect(sent).toEqual([]);
  await turn();
  expect(sent).toEqual(["s0=0", "s1=1", "s0=2", "s1=3", "s0=4"]);
  outbox.publish("s0", Uint8Array.of(9));
  await turn();
  expect(sent.at(-1)).toBe("s0=9");
});

test("Outbox: writes at once when it holds its bound, and on flush", () => {
  const sent: string[] = [];
  const outbox = new Outbox(notingConnection(sent), never);
  for (let i = 0; i < 1500; i += 1) outbox.publish("s", Uint8Array.of(i & 255));
  expect(sent.length).toBe(1024);
  outbox.flush();
  expect(sent.length).toBe(1500);
});

test("Outbox: a connection that closed in between gets nothing, and nothing throws", async () => {
  const sent: string[] = [];
  let isClosed = false;
  const outbox = new Outbox(
    notingConnection(sent, () => isClosed),
    never,
  );
  outbox.publish("s", Uint8Array.of(1));
  isClosed = true;
  await turn();
  expect(sent).toEqual([]);
});

test("Outbox: what the connection does not take is told, and the others go on", async () => {
  const sent: string[] = [];
  const connection = {
    isClosed: () => false,
    publish(subject: string, bytes: Uint8Array) {
      if (bytes.length > 3) throw new Error("max_payload size exceeded");
      sent.push(subject);
    },
  } as unknown as NatsConnection;
  const unsent: [string, number][] = [];
  const outbox = new Outbox(connection, (subject, byteCount) => unsent.push([subject, byteCount]));
  for (const [subject, size] of [
    ["a", 1],
    ["b", 4],
    ["c", 3],
  ] as const) {
    outbox.publish(subject, new Uint8Array(size));
  }
  await turn();
  expect(sent).toEqual(["a", "c"]);
  expect(unsent).toEqual([["b", 4]]);
});
