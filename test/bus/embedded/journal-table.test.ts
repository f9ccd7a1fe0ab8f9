/**
 * The journal's table: bounded in bytes and age, and what it covers follows from what it removed.
 */
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { JournalTable } from "../../../bus/embedded/journal-table.ts";
import { JOURNAL_AGE_MS } from "../../../bus/journal.ts";

const START_US = 1_700_000_000_000_000;
const DAY_US = JOURNAL_AGE_MS * 1000;
const batch = (bucket: string, bytes: number) => ({ bucket, bytes: new Uint8Array(bytes) });

function open(bytesMax: number) {
  const database = new DatabaseSync(":memory:");
  const table = new JournalTable(database, bytesMax, START_US);
  const idsOf = (bucket: string) => table.read(bucket, 0, 0).map(({ id }) => id);
  return { database, table, idsOf };
}

test("nothing removed: it covers its whole life, of a bucket only its own, by page", () => {
  const { table, idsOf } = open(1e6);
  table.add([batch("user.1", 10), batch("user.2", 10)], START_US + 1);
  table.add([batch("user.1", 10)], START_US + 2);
  expect(idsOf("user.1")).toEqual([1, 3]);
  expect(table.read("user.1", START_US + 2, 0).map(({ id }) => id)).toEqual([3]);
  expect(table.read("user.1", 0, 1).map(({ id }) => id)).toEqual([3]);
  expect(table.span(START_US + 3)).toMatchObject({ fromUs: START_US, bytesMax: 1e6 });
});

test("too many bytes: the oldest go, and it covers from after them", () => {
  const { table, idsOf } = open(10_000);
  for (let i = 1; i <= 20; i += 1) table.add([batch("user.1", 1000)], START_US + i);
  const ids = idsOf("user.1");
  expect(ids.at(-1)).toBe(20);
  expect(ids).toHaveLength(9);
  const { fromUs, bytes } = table.span(START_US + 20);
  expect(bytes).toBeLessThanOrEqual(10_000);
  expect(fromUs).toBe(START_US + 11 + 1);
});

test("too old: they go with the next write; a restart knows the same", () => {
  const { database, table, idsOf } = open(1e6);
  table.add([batch("user.1", 10)], START_US + 1);
  table.add([batch("user.1", 10)], START_US + DAY_US);
  expect(idsOf("user.1")).toEqual([1, 2]);
  table.add([batch("user.2", 10)], START_US + DAY_US + 10);
  expect(idsOf("user.1")).toEqual([2]);
  const nowUs = START_US + DAY_US + 10;
  expect(table.span(nowUs).fromUs).toBe(START_US + 10);
  const again = new JournalTable(database, 1e6, nowUs);
  expect(again.span(nowUs)).toEqual(table.span(nowUs));
});

test("a transaction that is rolled back leaves no bytes", () => {
  const { database, table } = open(1e6);
  table.add([batch("user.1", 10)], START_US + 1);
  const before = table.span(START_US + 1);
  database.exec("BEGIN");
  table.add([batch("user.1", 1000)], START_US + 2);
  database.exec("ROLLBACK");
  table.rollBack();
  table.add([], START_US + 2);
  expect(table.span(START_US + 1)).toEqual(before);
});
