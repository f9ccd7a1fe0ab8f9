/** bus/nats/ack-times.ts: each ack gets the time of its message, heard or read, once. */
import { expect, test } from "vitest";
import { AckTimes, type Stored } from "../../../bus/nats/ack-times.ts";
import { CodedError } from "../../../proto/coded-error.ts";

/** Notes what it is told. */
function waiter() {
  const { promise, resolve } = Promise.withResolvers<Stored | null>();
  const told: (Stored | null)[] = [];
  return {
    told,
    promise,
    onStored(stored: Stored | null) {
      told.push(stored);
      resolve(stored);
    },
  };
}

/** AckTimes whose reads are noted, and answered as `read` says. */
function timesWith(read: (shard: number, seq: number) => Promise<Stored | null>) {
  const reads: string[] = [];
  const times = new AckTimes((shard, seq) => {
    reads.push(`${shard}.${seq}`);
    return read(shard, seq);
  });
  return { times, reads };
}

const never = () => new Promise<Stored | null>(() => {});

test("AckTimes: heard before or after the ack, nothing is read", async () => {
  const { times, reads } = timesWith(never);
  times.expect(1);
  times.expect(1);
  times.hear(1, 10, 100);
  const [before, after] = [waiter(), waiter()];
  times.find(1, 10, false, before);
  times.find(1, 11, false, after);
  times.hear(2, 11, 999); // the same number in another shard is another message
  times.hear(1, 11, 110);
  times.hear(1, 11, 111); // repeated
  times.settle(1);
  times.settle(1);
  await times.idle();
  expect([before.told, after.told]).toEqual([
    [{ timeUs: 100, subject: "" }],
    [{ timeUs: 110, subject: "" }],
  ]);
  expect(reads).toEqual([]);
});

test("AckTimes: a duplicate, and what is not heard in time, is read", async () => {
  const stored = { timeUs: 5, subject: "tg.in.0-1.1.x" };
  const { times, reads } = timesWith(() => Promise.resolve(stored));
  times.expect(0);
  times.hear(0, 7, 100);
  const [duplicate, unheard] = [waiter(), waiter()];
  times.find(0, 7, true, duplicate);
  expect(await duplicate.promise).toEqual(stored);
  times.find(0, 8, false, unheard);
  expect(await unheard.promise).toEqual(stored);
  expect(reads).toEqual(["0.7", "0.8"]);
});

test("AckTimes: nothing is remembered while nothing of this process is under way", async () => {
  const { times, reads } = timesWith(() => Promise.resolve(null));
  times.hear(0, 1, 100);
  times.expect(0);
  times.hear(0, 2, 200);
  times.settle(0);
  times.expect(0);
  const [first, second] = [waiter(), waiter()];
  times.find(0, 1, false, first);
  times.find(0, 2, false, second);
  expect([await first.promise, await second.promise]).toEqual([null, null]);
  expect(reads).toEqual(["0.1", "0.2"]);
});

test("AckTimes: a read that fails is tried again, and reads are bounded", async () => {
  let runningMax = 0;
  let running = 0;
  const failed = new Set<number>();
  const { times, reads } = timesWith(async (_shard, seq) => {
    running += 1;
    runningMax = Math.max(runningMax, running);
    await Promise.resolve();
    running -= 1;
    if (seq % 10 !== 0 || failed.has(seq)) return { timeUs: seq, subject: "" };
    failed.add(seq);
    throw new CodedError("UNAVAILABLE", "no leader now");
  });
  const waiters = Array.from({ length: 300 }, () => waiter());
  for (const [i, each] of waiters.entries()) times.find(0, i + 1, true, each);
  await times.idle();
  expect(waiters.map(({ told }) => told.map((stored) => stored?.timeUs))).toEqual(
    waiters.map((_, i) => [i + 1]),
  );
  expect(reads.length).toBe(330);
  expect(runningMax).toBe(64);
});
