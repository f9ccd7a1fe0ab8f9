/** R10's record: its steps, and what can be read and must be probed after them. */
import { expect, test } from "vitest";
import {
  commit,
  decodeRoute,
  encodeRoute,
  epochPlaces,
  firstRoute,
  isOpen,
  isReadable,
  keptPlaces,
  reopen,
  SEALED_COUNT_MAX,
  shardsToProbe,
  startRemoving,
  startSealing,
} from "../../bus/route.ts";

const nowUs = 1_000_000_000;
const windowUs = 30_000_000;
const first = firstRoute(6, [0, 1, 2, 3]);

function moved(shards: readonly number[]) {
  let { record } = first;
  for (const [i, shard] of shards.entries()) {
    const atUs = nowUs + i * 1_000_000;
    const removing = startRemoving(startSealing(record, shard, false, atUs), atUs);
    record = commit(removing, 100 + i, atUs, 3_600_000_000);
  }
  return { record, revision: shards.length };
}

test("firstRoute: open in epoch 1, in the shard slot modulo count", () => {
  expect(first.record).toMatchObject({ epoch: 1, shard: 2, sealed: [] });
  expect(isOpen(first)).toBe(true);
  expect(epochPlaces(first)).toEqual([{ epoch: 1, shard: 2, lastSeq: null, openedUs: 0 }]);
});

test("steps: sealing and removing are not open, reopen undoes both, commit goes on", () => {
  const sealing = startSealing(first.record, 3, true, nowUs);
  const removing = startRemoving(sealing, nowUs);
  expect(isOpen({ record: sealing, revision: 1 })).toBe(false);
  expect(isOpen({ record: removing, revision: 1 })).toBe(false);
  expect(reopen(sealing)).toEqual(first.record);
  expect(reopen(removing)).toEqual(first.record);
  const open = commit(removing, 77, nowUs, 1);
  expect(isOpen({ record: open, revision: 2 })).toBe(true);
  expect(open).toMatchObject({ epoch: 2, shard: 3, wentBackwards: false });
  expect(open.sealed).toMatchObject([{ epoch: 1, shard: 2, lastSeq: 77n, wentBackwards: true }]);
});

test("epochPlaces: oldest first, the open one last; a record survives its bytes", () => {
  const route = moved([3, 2, 2]);
  expect(epochPlaces(route).map(({ epoch, shard, lastSeq }) => [epoch, shard, lastSeq])).toEqual([
    [1, 2, 100],
    [2, 3, 101],
    [3, 2, 102],
    [4, 2, null],
  ]);
  expect(decodeRoute(encodeRoute(route.record))).toEqual(route.record);
});

test("keptPlaces: epochs that ended before retention go, the open one stays", () => {
  const places = epochPlaces(moved([3, 2, 2])); // the first three ended at 0, 1 and 2 s
  const epochs = (sinceUs: number, isGone = (_shard: number, _endUs: number) => false) =>
    keptPlaces(places, nowUs + sinceUs, isGone).map(({ epoch }) => epoch);
  expect(epochs(-1)).toEqual([1, 2, 3, 4]);
  expect(epochs(1_500_000)).toEqual([3, 4]);
  expect(epochs(9_000_000)).toEqual([4]);
  expect(epochs(-1, () => true)).toEqual([4]);
  expect(epochs(-1, (shard, endUs) => shard === 2 && endUs < nowUs + 1_500_000)).toEqual([2, 3, 4]);
});

test.each(["", "garbage", "\u0008\u0009"])("decodeRoute: %j is no record", (text) => {
  expect(decodeRoute(Buffer.from(text))).toBeNull();
});

test("commit: epochs past retention go, and never more than the limit stay", () => {
  const removing = startRemoving(moved([3, 2]).record, nowUs);
  const later = commit(removing, 200, nowUs + 10_000_000, 9_500_000);
  expect(later.sealed.map(({ epoch }) => epoch)).toEqual([2, 3]);
  const many = moved(Array.from({ length: SEALED_COUNT_MAX + 5 }, (_, i) => i % 4));
  expect(many.record.sealed.length).toBe(SEALED_COUNT_MAX);
  expect(many.record.sealed.at(-1)?.epoch).toBe(many.record.epoch - 1);
});

test("shardsToProbe: shards left since the publish was first sent, but the owner", () => {
  const route = moved([3, 1, 3]); // sealed at 0, 1 and 2 s in the shards 2, 3, 1
  const probe = (firstSentUs: number, atUs: number) =>
    shardsToProbe(route, nowUs + firstSentUs, nowUs + atUs, windowUs);
  expect(probe(-1_000_000, 3_000_000)).toEqual([2, 1]);
  expect(probe(1_500_000, 3_000_000)).toEqual([1]); // clocks differ by up to a second
  expect(probe(3_500_000, 4_000_000)).toEqual([]);
  expect(probe(-1_000_000, 30_500_000)).toEqual([1]); // the first copy can not come any more
});

test("isReadable: what stands behind the end of a sealed epoch is in no history", () => {
  const route = moved([3, 1]); // epoch 1 ended at 100, epoch 2 at 101
  expect([99, 100, 101].map((seq) => isReadable(route, 1, seq))).toEqual([true, true, false]);
  expect(isReadable(route, 2, 101)).toBe(true);
  expect(isReadable(route, 3, 5_000_000)).toBe(true); // open
});
