/**
 * A data folder of the version before opens and keeps what it has: test/corpus has one that was
 * written by schema 1, and one transaction brings it up to date or leaves it as it was.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { STORE_FILE } from "../../../bus/embedded/database.ts";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import { type RoomAddress, roomAddress } from "../../../bus/subjects.ts";
import {
  append,
  codeOf,
  newProducer,
  nowUs,
  placeOf,
  readAll,
  textsOf,
} from "../contract-tools.ts";
import { newFolder, StoreHarness } from "./store-harness.ts";

const lobby = roomAddress("acme", "chat:lobby");
const game = roomAddress("acme", "game:eu/42");
/** When the first of its 12 messages was stored, the last one 192 ms later. */
const storedUs = 1795356583595000;
const producer = "producer-of-old-";
const text = (seq: number) => `message ${seq}`;
const lobbySeqs = [1, 2, 4, 5, 7, 8, 10, 11];

/** A folder as the version before left it. */
function oldFolder(): string {
  const dataDir = path.join(newFolder(), "data");
  mkdirSync(dataDir);
  const file = path.join(import.meta.dirname, "../../corpus/embedded-store-1.sqlite.gz");
  writeFileSync(path.join(dataDir, STORE_FILE), gunzipSync(readFileSync(file)));
  return dataDir;
}

/** On the machine's clock: what is stored is made as young as it was. */
async function open(dataDir: string): Promise<Bus> {
  const database = new DatabaseSync(path.join(dataDir, STORE_FILE));
  database.prepare("UPDATE message SET time_us = time_us + ?").run(nowUs() - storedUs);
  database.close();
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(() => bus.close());
  return bus;
}

function readOld(store: StoreHarness, room: RoomAddress) {
  return store.messagesOf(room).map(({ epoch, seq, prevSeq, envelope }) => {
    return { epoch, seq, prevSeq, text: Buffer.from(envelope).toString() };
  });
}

test("a store of schema 1 keeps messages, positions, names and keys", () => {
  const store = new StoreHarness({ dataDir: oldFolder() }, storedUs + 1_000_000);
  expect(readOld(store, lobby)).toEqual(
    lobbySeqs.map((seq, i) => ({ epoch: 1, seq, prevSeq: lobbySeqs[i - 1] ?? 0, text: text(seq) })),
  );
  expect(readOld(store, game).map(({ seq }) => seq)).toEqual([3, 6, 9, 12]);
  // Names of the last 30 s are recalled from rows that had no epoch.
  const again = store.append({ room: lobby, producer, seq: 1 }, { room: game, producer, seq: 12 });
  expect(again.map(({ seq }) => seq)).toEqual([-1, -12]);
  expect(store.append({ room: lobby, producer, seq: 13 })).toMatchObject([
    { seq: 13, prevSeq: 11 },
  ]);
  const get = (key: string) => store.read({ op: "kvGet", bucket: "classes", key });
  expect(get("a.b")).toMatchObject({ revision: 2, value: new Uint8Array(Buffer.from("two")) });
  expect(get("c")).toBeNull();
  const key = { bucket: "classes", key: "d", value: new Uint8Array(1), ttlMs: 0 };
  expect(store.write({ op: "kvCreate", ...key })).toBe(5);
  store.restart();
  expect(store.seqsOf(lobby)).toEqual([...lobbySeqs, 13]);
});

test("its shard counts what it has, and its slots can be moved", async () => {
  const bus = await open(oldFolder());
  const [entry] = await bus.topology.shards([0]);
  const { messageCount, firstSeq, lastSeq, bytes = 0 } = entry?.facts ?? {};
  expect({ messageCount, firstSeq, lastSeq }).toEqual({
    messageCount: 12,
    firstSeq: 1,
    lastSeq: 12,
  });
  expect(bytes).toBeGreaterThan(0);
  const shard = await bus.shards.create({ group: 0, region: "", capacity: 1 });
  await bus.shards.moveSlot(lobby.slot, shard);
  const ack = await append(bus, lobby, { producer: newProducer(), seq: 1 }, "new", nowUs());
  expect(ack).toMatchObject({ epoch: 2, seq: 13 });
  const all = await readAll(bus, lobby);
  expect(textsOf(all)).toEqual([...lobbySeqs.map(text), "new"]);
  expect(await bus.head(lobby)).toEqual(placeOf(ack));
});

test("a crash while it is brought up to date leaves it as it was", () => {
  const dataDir = oldFolder();
  const file = path.join(dataDir, STORE_FILE);
  const before = new DatabaseSync(file);
  // A table of that name makes the last step of the migration fail, as a full disk would.
  before.exec("CREATE TABLE forgotten (id INTEGER)");
  before.close();
  const opening = () => new StoreHarness({ dataDir }, storedUs);
  expect(opening).toThrow(/forgotten/);
  const after = new DatabaseSync(file);
  expect(after.prepare("PRAGMA user_version").get()).toEqual({ user_version: 1 });
  expect(after.prepare("SELECT count(*) AS n FROM message").get()).toEqual({ n: 12 });
  after.exec("DROP TABLE forgotten");
  after.close();
  expect(new StoreHarness({ dataDir }, storedUs).seqsOf(lobby)).toEqual(lobbySeqs);
});

test("a store of a later schema is refused", async () => {
  const dataDir = oldFolder();
  const database = new DatabaseSync(path.join(dataDir, STORE_FILE));
  database.exec("PRAGMA user_version = 3");
  database.close();
  expect(await codeOf(() => openEmbeddedBus({ dataDir }))).toBe("STORE_CORRUPT");
});
