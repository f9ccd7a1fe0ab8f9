/**
 * The journal on a real NATS: two processes share it, its stream is bounded, and comes back when
 * somebody removes it; what a full day or a small limit takes away is said.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import type { JournalEntry } from "../../bus/journal.ts";
import { JOURNAL_STREAM } from "../../bus/nats/journal-stream.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { JournalJoined } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const MIB = 1024 ** 2;
let nats: TestNats;
let connection: NatsConnection;

beforeAll(async () => {
  nats = await startTestNats(1);
  connection = await connect({ servers: [...nats.urls] });
});

afterAll(async () => {
  await connection.close();
  await nats.stop();
});

async function open(name: string, journalBytesMax: number): Promise<Bus> {
  const bus = await openNatsBus({ name, servers: nats.urls, journalBytesMax });
  onTestFinished(() => bus.close());
  return bus;
}

function note(bus: Bus, room: string): void {
  const value = { ...JournalJoined.decode(new Uint8Array(0)), durable: true };
  bus.journal.note({ tenant: "acme", user: "ann", room, what: { $case: "joined", value } });
}

async function roomsOf(bus: Bus): Promise<string[]> {
  const isOurs = ({ record }: JournalEntry) => record.tenant === "acme" && record.user === "ann";
  const ann = { kind: "user", tenant: "acme", user: "ann" } as const;
  return (await bus.journal.read(ann, 0, isOurs)).entries.map(({ record }) => record.room);
}

test("two processes write one journal, each reads all of it; a removed stream is made anew", async () => {
  const [first, second] = [await open("gw-a", 64 * MIB), await open("gw-b", 64 * MIB)];
  expect(await first.journal.span()).toBe(null);
  expect(await roomsOf(first)).toEqual([]);
  note(first, "1");
  await first.journal.flush();
  note(second, "2");
  await second.journal.flush();
  expect(await roomsOf(first)).toEqual(["1", "2"]);
  expect(await roomsOf(second)).toEqual(["1", "2"]);
  const streams = (await jetstreamManager(connection)).streams;
  const { config, created } = await streams.info(JOURNAL_STREAM);
  expect(config).toMatchObject({ max_bytes: 64 * MIB, max_age: 24 * 3600e9, discard: "old" });
  expect((await first.journal.span())?.fromUs).toBe(Date.parse(created) * 1000);
  await streams.delete(JOURNAL_STREAM);
  const removedUs = Date.now() * 1000;
  note(first, "3");
  while (first.journal.counters().waitingCount > 0) await first.journal.flush();
  expect(await roomsOf(second)).toEqual(["3"]);
  expect((await second.journal.span())?.fromUs).toBeGreaterThanOrEqual(removedUs);
  expect(first.journal.counters().droppedCount).toBe(0);
});

test("an option of a later start bounds the stream, the oldest go, and the span says so", async () => {
  const bus = await open("gw-c", 16 * MIB);
  const user = "x".repeat(100_000);
  const value = { ...JournalJoined.decode(new Uint8Array(0)), durable: true };
  for (let round = 0; round < 20; round += 1) {
    for (let i = 0; i < 10; i += 1) {
      bus.journal.note({
        tenant: "t",
        user: `${round} ${i}`,
        room: user,
        what: { $case: "joined", value },
      });
    }
    await bus.journal.flush();
  }
  const streams = (await jetstreamManager(connection)).streams;
  const { config, state, created } = await streams.info(JOURNAL_STREAM);
  expect(config.max_bytes).toBe(16 * MIB);
  expect(state.bytes).toBeLessThanOrEqual(16 * MIB);
  expect(state.first_seq).toBeGreaterThan(1);
  const span = await bus.journal.span();
  expect(span?.fromUs).toBeGreaterThan(Date.parse(created) * 1000);
  expect(span?.fromUs).toBe(Date.parse(state.first_ts) * 1000);
});

test("0 bytes: nothing is kept, nothing is made, nothing fails", async () => {
  const bus = await open("gw-d", 0);
  expect(bus.journal.isOn).toBe(false);
  note(bus, "never");
  await bus.journal.flush();
  expect(await roomsOf(bus)).toEqual([]);
  expect(await bus.journal.span()).toBe(null);
});
