/** The configuration by two ways: each record once, newer wins, a refused one keeps the last. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openEmbeddedBus } from "../../../bus/embedded/embedded-bus.ts";
import type { KeyValueChange } from "../../../bus/key-value.ts";
import { ControlFeed } from "../../../gateway/control-link/control-feed.ts";
import { CONTROL_BUCKET } from "../../../proto/control-bucket.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

/** A feed of "class." on an embedded bus; records that say "bad" are refused, "worse" throw. */
async function setUp(isOpen = true) {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-feed-"));
  const bus = await openEmbeddedBus({ dataDir });
  const logged: object[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (fields: object) => logged.push(fields) };
  const feed = new ControlFeed(log);
  const applied: string[] = [];
  const waiting: (() => void)[] = [];
  feed.follow("class.", (key, value) => {
    const text = value === null ? "gone" : Buffer.from(value).toString();
    if (text === "worse") throw new Error("index out of range");
    if (text === "bad") return "it is bad";
    applied.push(`${key} ${text}`);
    for (const look of waiting.splice(0)) look();
    return null;
  });
  onTestFinished(async () => {
    feed.close();
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const keys = await bus.keyValue(CONTROL_BUCKET);
  if (isOpen) await feed.open(bus);
  const appliedCount = async (count: number) => {
    while (applied.length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  };
  return { bus, keys, feed, applied, appliedCount, logged };
}

test("open: what is there is applied, then changes, and nothing that nobody follows", async () => {
  const { bus, keys, feed, applied, appliedCount } = await setUp(false);
  await keys.create("class.a.x", bytes("1"));
  await keys.create("other.a.x", bytes("1"));
  await feed.open(bus);
  expect(applied).toEqual(["class.a.x 1"]);
  const revision = await keys.create("class.a.y", bytes("2"));
  await keys.delete("class.a.x");
  await appliedCount(3);
  expect(applied.slice(1)).toEqual(["class.a.y 2", "class.a.x gone"]);
  expect(feed.version).toBeGreaterThan(revision);
});

test("take: whoever is first brings a record, and the slower way changes nothing", async () => {
  const { keys, feed, applied, appliedCount } = await setUp();
  const revision = await keys.create("class.a.x", bytes("1"));
  await appliedCount(1);
  feed.take({ key: "class.a.x", value: bytes("1"), revision });
  feed.take({ key: "class.a.x", value: bytes("older"), revision: revision - 1 });
  feed.take({ key: "slot.0-1", value: bytes("not followed"), revision: revision + 50 });
  expect(applied).toHaveLength(1);
  feed.take({ key: "class.a.x", value: bytes("2"), revision: revision + 10 });
  expect(applied).toEqual(["class.a.x 1", "class.a.x 2"]);
  // The bus's own watch brings what was written before that: older than what is here.
  await keys.update("class.a.x", bytes("late"), revision);
  await keys.create("class.a.z", bytes("3"));
  await appliedCount(3);
  expect(applied).toEqual(["class.a.x 1", "class.a.x 2", "class.a.z 3"]);
  feed.take({ key: "class.a.z", value: null, revision: revision + 20 });
  feed.take({ key: "class.a.z", value: bytes("back"), revision: revision + 19 });
  expect(applied.at(-1)).toBe("class.a.z gone");
});

test("a refused record: the last good one stays, it is said once, and ends with a good one", async () => {
  const { feed, applied, logged } = await setUp();
  feed.take({ key: "class.a.x", value: bytes("1"), revision: 10 });
  feed.take({ key: "class.a.x", value: bytes("bad"), revision: 11 });
  feed.take({ key: "class.a.x", value: bytes("worse"), revision: 12 });
  expect(applied).toEqual(["class.a.x 1"]);
  expect(feed.trouble).toBe("class.a.x: it does not decode: index out of range");
  expect(feed.refusal("class.a.x", 12)).toContain("index out of range");
  expect(feed.refusal("class.a.x", 11)).toBeNull();
  expect(logged).toMatchObject([{ key: "class.a.x", revision: 11, reason: "it is bad" }]);
  expect(feed.version).toBe(12);
  feed.take({ key: "class.a.x", value: bytes("2"), revision: 13 });
  expect([feed.trouble, applied.at(-1)]).toEqual(["", "class.a.x 2"]);
});

test("reached: what is in no snapshot is gone, unless it is newer than the snapshot", async () => {
  const { feed, applied } = await setUp();
  for (const [i, name] of ["x", "y", "z"].entries()) {
    feed.take({ key: `class.a.${name}`, value: bytes("1"), revision: 10 + i });
  }
  feed.reached(12, new Set(["class.a.x"]));
  expect(applied.slice(3)).toEqual(["class.a.y gone"]);
  expect(feed.version).toBe(12);
});

test("ageMs: is what was proven last, and never goes back to an older proof", async () => {
  const { feed } = await setUp();
  feed.proven(500_000);
  expect(feed.ageMs).toBeLessThan(400_000);
  feed.proven(0);
  expect(feed.ageMs).toBeLessThan(1000);
});

test("take: where slots, shards and groups are goes to the bus, and counts for no applier", async () => {
  const { bus, feed, applied } = await setUp();
  const hinted: string[] = [];
  bus.hint = ({ key, revision }: KeyValueChange) => void hinted.push(`${key} ${revision}`);
  for (const key of ["slot.0-7", "shard.3", "group.1", "class.a.x"]) {
    feed.take({ key, value: bytes("1"), revision: 9 });
  }
  expect(hinted).toEqual(["slot.0-7 9", "shard.3 9", "group.1 9"]);
  expect(applied).toEqual(["class.a.x 1"]);
});
