/** A bucket that can not be had at first: tried on, told each time, followed, ended for good. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { KeyValue, KeyValueWatcher } from "../../../bus/key-value.ts";
import { FOLLOW_RETRY_MS, followBucket } from "../../../gateway/rates/follow-bucket.ts";
import { CodedError } from "../../../proto/coded-error.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A bus whose bucket can be opened, and watched, from a try on. */
function bucketFrom(openTry: number, watchTry: number) {
  const state = { openCount: 0, watchers: new Set<KeyValueWatcher>(), prefixes: [] as unknown[] };
  const away = () => new CodedError("UNAVAILABLE", "injected");
  const keys = {
    watch: async (prefix: unknown, watcher: KeyValueWatcher) => {
      if (state.openCount < watchTry) throw away();
      state.prefixes.push(prefix);
      state.watchers.add(watcher);
      return () => void state.watchers.delete(watcher);
    },
  } as unknown as KeyValue;
  const keyValue = async () => {
    state.openCount += 1;
    if (state.openCount < openTry) throw away();
    return keys;
  };
  return { state, bus: { keyValue } };
}

function follow(openTry: number, watchTry: number) {
  const { state, bus } = bucketFrom(openTry, watchTry);
  const seen: string[] = [];
  const told: string[] = [];
  const warn = (_: object, text: string) => void told.push(text);
  const log = { debug() {}, info() {}, warn, error() {} };
  const close = followBucket(bus, log, {
    ...{ bucket: "b", prefix: "p.", trouble: "not known; trying on" },
    onChange: ({ key }) => void seen.push(key),
  });
  return { state, seen, told, close };
}

test("is tried again every 5 s until it can be opened and watched, and once only then", async () => {
  const { state, seen, told, close } = follow(2, 3);
  await vi.advanceTimersByTimeAsync(FOLLOW_RETRY_MS - 1);
  expect([state.openCount, told]).toEqual([1, ["not known; trying on"]]);
  await vi.advanceTimersByTimeAsync(20 * FOLLOW_RETRY_MS);
  expect([state.openCount, told.length, state.prefixes]).toEqual([3, 2, ["p."]]);
  for (const watcher of state.watchers) watcher.onChange({ key: "p.1", value: null, revision: 1 });
  expect(seen).toEqual(["p.1"]);
  close();
  expect([state.watchers.size, vi.getTimerCount()]).toEqual([0, 0]);
});

test.each([
  ["while it waits", FOLLOW_RETRY_MS / 2],
  ["while it is being opened", 0],
])("closed %s: it is neither tried nor watched any more", async (_title, afterMs) => {
  const { state, told, close } = follow(afterMs === 0 ? 1 : 99, 0);
  if (afterMs > 0) await vi.advanceTimersByTimeAsync(afterMs);
  close();
  await vi.advanceTimersByTimeAsync(20 * FOLLOW_RETRY_MS);
  expect([state.openCount, state.watchers.size, told.length]).toEqual([
    1,
    0,
    afterMs === 0 ? 0 : 1,
  ]);
});
