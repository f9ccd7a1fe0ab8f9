/**
 * The journal's writer against a store that fails: nothing is lost within its bounds, what is lost
 * is told, and what is written twice is read once.
 */
import { expect, test } from "vitest";
import { BUCKET_COUNT } from "../../../bus/journal/buckets.ts";
import {
  type JournalStore,
  JournalWriter,
  type StoredBatch,
  WAITING_BYTES_MAX,
  WAITING_COUNT_MAX,
} from "../../../bus/journal/journal-writer.ts";
import type { JournalEntry } from "../../../bus/journal.ts";
import { CodedError } from "../../../proto/coded-error.ts";
import {
  JournalClosed,
  JournalJoined,
  JournalOpened,
  JournalRefused,
} from "../../../proto/gen/tidegate/bus/v1/journal.ts";

/** Keeps batches; a write that fails has kept the first of them. */
class MemoryStore implements JournalStore {
  readonly batches: StoredBatch[] = [];
  isFailing = false;
  refusal: CodedError | null = null;

  async write(batches: readonly StoredBatch[]): Promise<void> {
    if (this.refusal !== null) throw this.refusal;
    this.batches.push(...(this.isFailing ? batches.slice(0, 1) : batches));
    if (this.isFailing) throw new Error("the store takes none");
  }

  async read(bucket: string, _sinceUs: number, visit: (bytes: Uint8Array) => boolean) {
    for (const batch of this.batches) {
      if (batch.bucket === bucket && !visit(batch.bytes)) return;
    }
  }

  async span() {
    return null;
  }
}

const NOTHING = new Uint8Array(0);
const unbounded = { perSecond: 1e9, burst: 1e9 };
const rates = { membership: unbounded, loss: unbounded, refusal: unbounded };

function open() {
  const store = new MemoryStore();
  const failures: unknown[] = [];
  let timeUs = 1_000_000;
  const nowUs = () => {
    timeUs += 1;
    return timeUs;
  };
  const self = () => ({ id: "gw-1", incarnation: "one" });
  const onFail = (error: unknown) => failures.push(error);
  const journal = new JournalWriter({ store, self, nowUs, onFail, rates });
  const note = (user: string, room: string) => {
    const value = JournalJoined.decode(NOTHING);
    journal.note({ tenant: "acme", user, room, what: { $case: "joined", value } });
  };
  const roomsOf = async (user: string) => {
    const isOfUser = ({ record }: JournalEntry) => record.user === user;
    const { entries } = await journal.read({ kind: "user", tenant: "acme", user }, 0, isOfUser);
    return entries.map(({ record }) => record.room);
  };
  return { store, failures, journal, note, roomsOf };
}

test("a failed write is tried again; what was kept twice is read once, in order", async () => {
  const { store, failures, journal, note, roomsOf } = open();
  store.isFailing = true;
  note("ann", "1");
  note("bob", "1");
  await journal.flush();
  note("ann", "2");
  await journal.flush();
  expect(failures).toHaveLength(2);
  expect(journal.counters()).toMatchObject({ keptCount: 0, droppedCount: 0, waitingCount: 3 });
  store.isFailing = false;
  await journal.flush();
  expect(await roomsOf("ann")).toEqual(["1", "2"]);
  expect(await roomsOf("bob")).toEqual(["1"]);
  expect(journal.counters()).toMatchObject({ keptCount: 3, droppedCount: 0, waitingCount: 0 });
});

test("records gather: one batch for each bucket, however many records", async () => {
  const { store, journal, note } = open();
  for (let i = 0; i < 5000; i += 1) note(`user-${i}`, "a");
  await journal.flush();
  expect(store.batches.length).toBeLessThanOrEqual(BUCKET_COUNT);
  expect(store.batches.length).toBeGreaterThan(BUCKET_COUNT / 2);
});

test("what waits is bounded; what is dropped is counted and told once the store is back", async () => {
  const { store, journal, note } = open();
  store.isFailing = true;
  for (let i = 0; i < WAITING_COUNT_MAX + 10; i += 1) note("ann", "a");
  expect(journal.counters()).toMatchObject({
    dropped: { rate: 0, full: 10, unavailable: 0 },
    waitingCount: WAITING_COUNT_MAX,
  });
  store.isFailing = false;
  await journal.flush();
  const { entries } = await journal.read({ kind: "dropped" }, 0, () => true);
  expect(entries.map(({ record }) => record.what)).toMatchObject([
    { $case: "dropped", value: { count: 10n } },
  ]);
  expect(journal.counters()).toMatchObject({ droppedCount: 10, waitingCount: 0 });
});

test("large records: what waits is bounded in bytes as well", () => {
  const { store, journal, note } = open();
  store.isFailing = true;
  const room = "r".repeat(200);
  const perRecord = 600; // at least: three bytes for each of the name
  const most = Math.floor(WAITING_BYTES_MAX / perRecord);
  for (let i = 0; i < most; i += 1) note("ann", room);
  expect(journal.counters().dropped.full).toBeGreaterThan(0);
  expect(journal.counters().waitingCount).toBeLessThan(WAITING_COUNT_MAX);
});

test("a batch that the store can never take is dropped and told, and the next ones are kept", async () => {
  const { store, failures, journal, note, roomsOf } = open();
  store.refusal = new CodedError("PAYLOAD_TOO_LARGE", "too large");
  note("ann", "1");
  await journal.flush();
  expect(failures).toEqual([store.refusal]);
  expect(journal.counters()).toMatchObject({ dropped: { unavailable: 1 }, keptCount: 0 });
  store.refusal = null;
  note("ann", "2");
  await journal.flush();
  expect(await roomsOf("ann")).toEqual(["2"]);
  const { entries } = await journal.read({ kind: "dropped" }, 0, () => true);
  expect(entries.map(({ record }) => record.what)).toMatchObject([
    { $case: "dropped", value: { count: 1n } },
  ]);
});

test("close writes what waits, and takes nothing after it", async () => {
  const { journal, note, roomsOf } = open();
  note("ann", "1");
  await journal.close();
  note("ann", "2");
  await journal.flush();
  expect(await roomsOf("ann")).toEqual(["1"]);
});

test("a batch is below NATS's megabyte, whatever its records hold", async () => {
  const { store, journal } = open();
  const long = "\u20ac"; // three bytes
  const about = { tenant: "acme", user: long.repeat(42), room: long.repeat(66) };
  const room = about.room;
  for (let i = 0; i < 1500; i += 1) {
    const attributesJson = long.repeat(512);
    const opened = { ...JournalOpened.decode(NOTHING), attributesJson };
    const refused = { ...JournalRefused.decode(NOTHING), detail: long.repeat(300) };
    const closed = { ...JournalClosed.decode(NOTHING), places: Array(8).fill({ room }) };
    journal.note({ ...about, what: { $case: "opened", value: opened } });
    journal.note({ ...about, what: { $case: "refused", value: refused } });
    journal.note({ ...about, what: { $case: "closed", value: closed } });
  }
  await journal.flush();
  const sizes = store.batches.map(({ bytes }) => bytes.length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeGreaterThan(5_000_000);
  expect(Math.max(...sizes)).toBeLessThan(256 * 1024);
});
