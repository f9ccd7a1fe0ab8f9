/** R6 and R9: what a read does when no answer is fresh. A real nats-server. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { EpochReader } from "../../bus/nats/epoch-reader.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { writeAnchor } from "../../bus/nats/stream-api.ts";
import { anchorSubject } from "../../bus/nats/wire.ts";
import { newRoom } from "../bus/contract-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats(1);
}, 60_000);

afterAll(async () => {
  await nats?.stop();
});

async function open() {
  const bus = await openNatsBus({ servers: nats.urls, name: "fresh", shardCount: 1 });
  onTestFinished(() => bus.close());
  const connection = await connect({ servers: nats.urls });
  onTestFinished(() => connection.close());
  return { bus, connection };
}

test("head: an empty room is read though retention deleted the shard's anchor", async () => {
  const { bus, connection } = await open();
  const manager = await jetstreamManager(connection);
  await manager.streams.purge("TG_0", { filter: anchorSubject(0) });
  expect(await bus.head(newRoom("empty"))).toBeNull();
}, 30_000);

test("head: what is heard while an anchor is acknowledged is no sign of a loss", async () => {
  const { connection } = await open();
  let seenSeq = await writeAnchor(connection, 0);
  const storedSeq = seenSeq;
  // Each answer of the leader is overtaken by a newer message on its way here.
  const overtaken = new Proxy<NatsConnection>(connection, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "request") return value.bind(target);
      return async (...args: unknown[]) => {
        const answer: unknown = await Reflect.apply(value, target, args);
        seenSeq += 1;
        return answer;
      };
    },
  });
  const found: number[] = [];
  const reader = new EpochReader({
    connection: overtaken,
    seenSeq: () => seenSeq,
    writeAnchor: (shard) => writeAnchor(overtaken, shard),
    onBackwards: (_shard, fromSeq) => found.push(fromSeq),
  });
  const place = { epoch: 1, shard: 0, lastSeq: null, openedUs: 0 };
  // Somebody says that he has seen more than there is, so an anchor is written.
  expect(await reader.head(newRoom("busy"), place, storedSeq + 1000)).toBeNull();
  expect(seenSeq).toBeGreaterThan(storedSeq);
  expect(found).toEqual([]);
  // With a real loss it is told where the shard goes on.
  seenSeq = storedSeq + 100;
  expect(await reader.head(newRoom("busy"), place)).toBeNull();
  expect(found).toEqual([storedSeq + 2]);
}, 30_000);
