/** The pace of a drain, and who gets whom: examples, and what holds whatever the numbers. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assignSlot } from "../../../gateway/drain/assign.ts";
import type { Peer } from "../../../gateway/drain/peer.ts";
import {
  ACCEPT_RATE_MAX,
  acceptRate,
  planSlot,
  SLOT_MS,
  type SlotFacts,
} from "../../../gateway/drain/plan.ts";

const peerOf = (id: string, rest: Partial<Peer> = {}): Peer => ({
  id,
  version: "0.3.0",
  region: "",
  url: `ws://${id}/ws`,
  isServing: true,
  isDraining: false,
  connectionCount: 0,
  connectionCountMax: 100_000,
  cpuShare: 0,
  loopDelayMs: 0,
  connectRate: 0,
  saidUs: 0,
  ...rest,
});

const factsOf = (rest: Partial<SlotFacts>): SlotFacts => ({
  waitingCount: 4000,
  leftMs: 30_000,
  ceilingPerS: 1000,
  drainingCount: 1,
  credit: 0,
  region: "",
  peers: [peerOf("a"), peerOf("b")],
  sent: new Map(),
  lateCount: 0,
  ...rest,
});

const sharesOf = (rest: Partial<SlotFacts>) =>
  Object.fromEntries(planSlot(factsOf(rest)).shares.map(({ id, count }) => [id, count]));

describe("planSlot", () => {
  test("the ceiling bounds it, with a quarter left for tries that fail", () => {
    expect(sharesOf({ ceilingPerS: 1000 })).toEqual({ a: 375, b: 375 });
    expect(sharesOf({ ceilingPerS: 100 })).toEqual({ a: 38, b: 37 });
  });

  test("who drains at the same time shares the ceiling", () => {
    expect(sharesOf({ drainingCount: 4 })).toEqual({ a: 94, b: 93 });
  });

  test("receivers that are busy slow it down", () => {
    const peers = [peerOf("a", { cpuShare: 0.95 }), peerOf("b", { loopDelayMs: 165 })];
    expect(sharesOf({ peers, leftMs: null })).toEqual({ b: ACCEPT_RATE_MAX / 2 });
  });

  test("the deadline comes before their comfort, the ceiling before the deadline", () => {
    const peers = [peerOf("a", { cpuShare: 1 })];
    expect(sharesOf({ peers, leftMs: 13_000 })).toEqual({ a: 400 });
    expect(sharesOf({ peers, leftMs: 3000 })).toEqual({ a: 750 });
    expect(sharesOf({ peers, leftMs: null })).toEqual({});
  });

  test("the emptiest come first: in a rolling restart those that have restarted", () => {
    const peers = [peerOf("a", { connectionCount: 5000 }), peerOf("b")];
    expect(sharesOf({ peers })).toEqual({ a: 250, b: ACCEPT_RATE_MAX });
    expect(sharesOf({ peers, ceilingPerS: 500 })).toEqual({ b: 375 });
  });

  test("what was sent since the receiver spoke counts as there", () => {
    const sent = new Map([["b", { perS: 0, sinceFacts: 4000 }]]);
    expect(sharesOf({ sent, ceilingPerS: 500 })).toEqual({ a: 375 });
  });

  test("those who are late count for this slot too, up to three quarters of it", () => {
    expect(sharesOf({ lateCount: 100 })).toEqual({ a: 325, b: 325 });
    expect(sharesOf({ lateCount: 5000 })).toEqual({ a: 94, b: 94 });
  });

  test("nobody who drains, is silent or full; own region first", () => {
    const peers = [
      peerOf("silent", { isServing: false }),
      peerOf("full", { connectionCount: 100_000 }),
      peerOf("far", { region: "us" }),
      peerOf("near", { region: "eu", connectionCountMax: 100 }),
    ];
    expect(sharesOf({ peers, region: "eu" })).toEqual({ near: 100 });
    expect(sharesOf({ peers, region: "asia" })).toEqual({ near: 100, far: ACCEPT_RATE_MAX });
    expect(sharesOf({ peers: peers.slice(0, 2) })).toEqual({});
  });

  test("a rate below one a slot is kept by the credit", () => {
    let credit = 0;
    const counts = Array.from({ length: 10 }, () => {
      const plan = planSlot(factsOf({ ceilingPerS: 1, leftMs: null, credit }));
      credit = plan.credit;
      return plan.count;
    });
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(7);
  });

  test("whatever the facts: within ceiling, room and what waits, to receivers alone", () => {
    const peer = fc.record({
      isServing: fc.boolean(),
      connectionCount: fc.nat(1000),
      connectionCountMax: fc.integer({ min: 1, max: 1000 }),
      cpuShare: fc.double({ min: 0, max: 1, noNaN: true }),
      loopDelayMs: fc.nat(500),
      connectRate: fc.nat(1000),
    });
    const facts = fc.record({
      waitingCount: fc.nat(20_000),
      leftMs: fc.option(fc.nat(60_000)),
      ceilingPerS: fc.integer({ min: 1, max: 5000 }),
      drainingCount: fc.integer({ min: 1, max: 10 }),
      credit: fc.double({ min: 0, max: 0.999, noNaN: true }),
      peers: fc.array(peer, { maxLength: 6 }).map((all) => all.map((p, i) => peerOf(`${i}`, p))),
    });
    fc.assert(
      fc.property(facts, (given) => {
        const { count, shares, credit } = planSlot(factsOf(given));
        const { ceilingPerS, drainingCount, waitingCount, peers } = given;
        expect(count).toBe(shares.reduce((sum, share) => sum + share.count, 0));
        expect(count).toBeLessThanOrEqual((ceilingPerS / drainingCount) * 0.75 + 1);
        expect(count).toBeLessThanOrEqual(waitingCount);
        for (const share of shares) {
          const receiver = peers.find(({ id }) => id === share.id);
          const free = (receiver?.connectionCountMax ?? 0) - (receiver?.connectionCount ?? 0);
          expect(receiver?.isServing).toBe(true);
          expect(share.count).toBeGreaterThan(0);
          expect(share.count).toBeLessThanOrEqual(free);
        }
        expect(credit).toBeGreaterThanOrEqual(0);
        expect(credit).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1000 },
    );
  });
});

test("acceptRate: what others send is taken off, what we send is not", () => {
  expect(acceptRate(peerOf("a", { connectRate: 200 }), 0)).toBe(ACCEPT_RATE_MAX - 200);
  expect(acceptRate(peerOf("a", { connectRate: 200 }), 200)).toBe(ACCEPT_RATE_MAX);
  expect(acceptRate(peerOf("a", { connectRate: 9000 }), 0)).toBe(0);
});

describe("assignSlot", () => {
  const shares = [
    { id: "a", url: "ws://a/ws", count: 2 },
    { id: "b", url: "ws://b/ws", count: 1 },
    { id: "c", url: "", count: 1 },
  ];

  test("each to an address of its own list; who has none comes back by its own", () => {
    const lists = [[], ["ws://b/ws", "ws://x/ws"], ["ws://a/ws", "ws://b/ws"], ["ws://a/ws"]];
    const assigned = assignSlot(lists, shares, true, () => 0);
    expect(assigned.map((each) => [each?.id, each?.target])).toEqual([
      ["c", ""],
      ["b", "ws://b/ws"],
      ["a", "ws://a/ws"],
      ["a", "ws://a/ws"],
    ]);
  });

  test("who may not come back by its own waits when its receivers' shares are used up", () => {
    const lists = [["ws://b/ws"], ["ws://b/ws"], []];
    const assigned = assignSlot(lists, shares, false, () => 0);
    expect(assigned.map((each) => each?.target ?? null)).toEqual(["ws://b/ws", null, null]);
  });

  test("each has a part of the slot, and its jitter stays in it", () => {
    const lists = shares.flatMap(({ url, count }) => Array.from({ length: count }, () => [url]));
    const early = assignSlot(lists, shares, true, () => 0).map((each) => each?.delayMs);
    const late = assignSlot(lists, shares, true, () => 0.999).map((each) => each?.delayMs);
    expect(early).toEqual([0, 250, 500, 750]);
    expect(late).toEqual([249, 499, 749, SLOT_MS - 1]);
  });
});
