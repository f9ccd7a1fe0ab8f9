/** The addresses that a Welcome names. */
import { expect, test } from "vitest";
import type { Peer } from "../../../gateway/drain/peer.ts";
import {
  chooseTargets,
  type KnownTarget,
  noteTargets,
  TARGET_COUNT_MAX,
  TARGET_KEPT_MS,
} from "../../../gateway/drain/targets.ts";

const knownOf = (url: string, rest: Partial<KnownTarget> = {}): KnownTarget => ({
  ...{ url, region: "", version: "0.3.0", freeCount: 100, seenMs: 0 },
  ...rest,
});
const peerOf = (url: string) =>
  ({ id: url, url, region: "", connectionCount: 0, connectionCountMax: 9 }) as Peer;

test("noteTargets: a gateway that is gone for a while stays known, and is forgotten in the end", () => {
  const first = noteTargets([], [peerOf("ws://a"), peerOf("ws://b"), peerOf("")], 1000);
  expect(first.map(({ url }) => url)).toEqual(["ws://a", "ws://b"]);
  const second = noteTargets(first, [peerOf("ws://b")], 2000); // a restarts
  expect(second.map(({ url }) => url)).toEqual(["ws://a", "ws://b"]);
  const last = noteTargets(second, [peerOf("ws://b")], 1000 + TARGET_KEPT_MS);
  expect(last.map(({ url }) => url)).toEqual(["ws://b"]);
});

test("chooseTargets: at most 16, those of the own region first, the same ones each time", () => {
  const known = Array.from({ length: 1000 }, (_, i) =>
    knownOf(`ws://${i}`, { region: i < 5 ? "eu" : "us" }),
  );
  const chosen = chooseTargets(known, "gw-1", "eu");
  expect(chosen).toHaveLength(TARGET_COUNT_MAX);
  expect(chosen.slice(0, 5).sort()).toEqual([0, 1, 2, 3, 4].map((i) => `ws://${i}`));
  expect(chooseTargets(known, "gw-1", "eu")).toEqual(chosen);
});

test("chooseTargets: the gateways of a fleet name all of it, and those with room more often", () => {
  const known = Array.from({ length: 100 }, (_, i) =>
    knownOf(`ws://${i}`, { freeCount: i < 50 ? 1000 : 100 }),
  );
  const counts = new Map<string, number>();
  for (let gateway = 0; gateway < 1000; gateway += 1) {
    for (const url of chooseTargets(known, `gw-${gateway}`, "")) {
      counts.set(url, (counts.get(url) ?? 0) + 1);
    }
  }
  expect(counts.size).toBe(100);
  const sumOf = (from: number, to: number) =>
    known.slice(from, to).reduce((sum, { url }) => sum + (counts.get(url) ?? 0), 0);
  expect(sumOf(0, 50) / sumOf(50, 100)).toBeGreaterThan(4);
});
