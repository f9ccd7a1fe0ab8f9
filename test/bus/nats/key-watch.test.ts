/**
 * A watch of keys that stands still: seen by asking the leader, begun anew, and nothing lost.
 *
 * The source is made here, because a consumer that is there and tells nothing can not be made to
 * order: on NATS one of three kills of a bucket's leader left such a one.
 */
import type { KvEntry } from "@nats-io/kv";
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from "vitest";
import { KeyWatch, type WatchSource } from "../../../bus/nats/key-watch.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** A bucket whose watches can be told to stand still. */
class Bucket implements WatchSource {
  readonly entries = new Map<string, { revision: number; isValue: boolean }>();
  readonly openings: string[] = [];
  isStill = false;
  /** A key that is rewritten while it is listed: its old value does not come, the new one may. */
  rewritten = "";
  revision = 0;
  #live = new Set<(key: string) => void>();

  put(key: string, isValue = true): void {
    this.revision += 1;
    this.entries.set(key, { revision: this.revision, isValue });
    if (!this.isStill) for (const tell of this.#live) tell(key);
  }

  /** A key, and its marker, are gone without a trace: what a long outage leaves. */
  forget(key: string): void {
    this.entries.delete(key);
    this.revision += 1;
  }

  async open() {
    const queue: KvEntry[] = [];
    let wake = () => {};
    const push = (key: string, delta: number) => {
      const { revision = 0, isValue = false } = this.entries.get(key) ?? {};
      const operation = isValue ? "PUT" : "DEL";
      const rest = { delta, value: new Uint8Array([revision]), created: new Date(revision) };
      queue.push({ key, revision, operation, ...rest } as KvEntry);
      wake();
    };
    const keys = [...this.entries.keys()];
    this.openings.push(keys.join());
    const coming = keys.filter((key) => key !== this.rewritten);
    for (const [i, key] of coming.entries()) push(key, coming.length - 1 - i);
    const live = (key: string) => push(key, 0);
    this.#live.add(live);
    let isStopped = false;
    const stop = () => {
      isStopped = true;
      this.#live.delete(live);
      wake();
    };
    const follow = async function* () {
      while (!isStopped) {
        const next = queue.shift();
        if (next !== undefined) yield next;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    };
    return { [Symbol.asyncIterator]: follow, stop };
  }

  async present() {
    return { keys: new Set(this.entries.keys()), lastRevision: this.revision };
  }

  async newest() {
    return Math.max(0, ...[...this.entries.values()].map(({ revision }) => revision));
  }
}

/** A watch of the bucket, and what it told: "key=revision", or "key gone". */
async function follow(bucket: Bucket) {
  const told: string[] = [];
  const watch = new KeyWatch(bucket, {
    onChange: ({ key, value, revision }) =>
      told.push(value === null ? `${key} gone` : `${key}=${revision}`),
    onSynced: () => told.push("synced"),
  });
  onTestFinished(() => watch.stop());
  await watch.start();
  await vi.advanceTimersByTimeAsync(0);
  return { told, watch };
}

/** Two checks: what was newest at the first must have come by the second. */
const twoChecks = () => vi.advanceTimersByTimeAsync(6100);

test("watch: what stood still is begun anew, and told once: changed, new and gone", async () => {
  const bucket = new Bucket();
  for (const key of ["a", "b", "c"]) bucket.put(key);
  const { told } = await follow(bucket);
  expect(told.splice(0)).toEqual(["a=1", "b=2", "c=3", "synced"]);
  bucket.isStill = true;
  bucket.put("b");
  bucket.put("d");
  bucket.forget("c");
  await twoChecks();
  expect(told.splice(0)).toEqual(["b=4", "d=5", "c gone"]);
  bucket.isStill = false;
  bucket.put("a", false);
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(["a gone"]);
  expect(bucket.openings).toHaveLength(2);
});

test("watch: one that follows is left alone, also while much is written", async () => {
  const bucket = new Bucket();
  const { told } = await follow(bucket);
  expect(told).toEqual(["synced"]);
  for (let i = 0; i < 20; i += 1) {
    bucket.put(`k${i}`);
    await vi.advanceTimersByTimeAsync(1000);
  }
  expect(told).toHaveLength(21);
  expect(bucket.openings).toHaveLength(1);
});

test("watch: a bucket made anew, whose revisions begin again, is told as it is", async () => {
  const bucket = new Bucket();
  for (const key of ["a", "b", "c"]) bucket.put(key);
  const { told } = await follow(bucket);
  told.length = 0;
  bucket.isStill = true;
  bucket.entries.clear();
  bucket.revision = 0;
  bucket.put("a"); // the revision it had before, and another value
  await twoChecks();
  expect(told).toEqual(["a=1", "b gone", "c gone"]);
});

test("watch: stopped, it asks no more", async () => {
  const bucket = new Bucket();
  const { told, watch } = await follow(bucket);
  watch.stop();
  bucket.put("a");
  await twoChecks();
  expect(told).toEqual(["synced"]);
  expect(bucket.openings).toHaveLength(1);
});

test("watch: a key rewritten while it is listed is waited for, also when the count is 0", async () => {
  const bucket = new Bucket();
  bucket.put("a");
  bucket.put("b");
  bucket.rewritten = "b";
  const { told } = await follow(bucket);
  expect(told).toEqual(["a=1"]);
  bucket.put("b");
  await vi.advanceTimersByTimeAsync(0);
  expect(told).toEqual(["a=1", "b=3", "synced"]);
});

test("watch: a key that vanishes while it is listed is not waited for longer than a check", async () => {
  const bucket = new Bucket();
  bucket.put("a");
  bucket.put("b");
  bucket.rewritten = "b";
  const { told } = await follow(bucket);
  bucket.forget("b");
  await vi.advanceTimersByTimeAsync(3000);
  expect(told).toEqual(["a=1", "synced"]);
});
