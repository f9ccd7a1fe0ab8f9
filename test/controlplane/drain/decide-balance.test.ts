/** When load is moved to emptier gateways, and how much: examples with numbers. */
import { describe, expect, test } from "vitest";
import type { ProcessEntry } from "../../../bus/topology.ts";
import { decideBalance, GROWN_MS } from "../../../controlplane/drain/decide-balance.ts";
import { CONTROL_PLANE_DEFAULTS } from "../../../controlplane/options.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";

const NOW_US = 1_000_000_000_000;
const TURN_MS = 10_000;
const nothing = GatewayFacts.decode(new Uint8Array(0));

interface Given {
  readonly id: string;
  readonly count: number;
  readonly max?: number;
  readonly region?: string;
  readonly state?: ServingState;
  readonly ageMs?: number;
  readonly silentMs?: number;
}

const entryOf = (given: Given): ProcessEntry => ({
  ...{ id: given.id, parts: "gateway", incarnation: "x", host: "h", pid: 1, version: "1.0.0" },
  startedUs: NOW_US - (given.ageMs ?? GROWN_MS) * 1000,
  renewedUs: NOW_US - (given.silentMs ?? 0) * 1000,
  expiresUs: NOW_US - (given.silentMs ?? 0) * 1000 + 45_000_000,
  routingRevision: 0,
  facts: GatewayFacts.encode({
    ...nothing,
    region: given.region ?? "",
    state: given.state ?? ServingState.SERVING,
    connectionCount: given.count,
    connectionCountMax: given.max ?? 10_000,
  }).finish(),
});

const decide = (given: readonly Given[], wasBalancing = false, options = {}) =>
  decideBalance(
    given.map(entryOf),
    { ...CONTROL_PLANE_DEFAULTS, ...options },
    wasBalancing,
    NOW_US,
    TURN_MS,
  );

const ordersOf = (given: readonly Given[], wasBalancing = false, options = {}) =>
  Object.fromEntries(
    decide(given, wasBalancing, options).orders.map(({ gateway, count }) => [gateway, count]),
  );

const pair = (a: number, b: number): Given[] => [
  { id: "a", count: a },
  { id: "b", count: b },
];

describe("decideBalance", () => {
  test("a new gateway gets load from all others, at the rate that is set", () => {
    const grown = [...pair(4000, 4000), { id: "new", count: 0 }];
    expect(ordersOf(grown)).toEqual({ a: 250, b: 250 });
    expect(ordersOf(grown, false, { balanceRateMax: 10 })).toEqual({ a: 50, b: 50 });
  });

  test("it begins at the gap, and ends nearer", () => {
    expect(ordersOf(pair(1200, 800))).toEqual({}); // 20 % less than its share of 1000
    expect(ordersOf(pair(1400, 600))).toEqual({ a: 400 });
    expect(ordersOf(pair(1200, 800), true)).toEqual({ a: 200 }); // it goes on
    expect(decide(pair(1050, 950), true)).toEqual({ isBalancing: false, orders: [] });
  });

  test("a share goes by the maximum of each", () => {
    const given = [
      { id: "large", count: 300, max: 3000 },
      { id: "small", count: 100, max: 1000 },
    ];
    expect(ordersOf(given)).toEqual({});
  });

  test("few are left alone", () => {
    expect(ordersOf(pair(30, 0))).toEqual({});
    expect(ordersOf(pair(40, 0))).toEqual({ a: 20 });
  });

  test("not across regions", () => {
    const far = [
      { id: "a", count: 4000, region: "eu" },
      { id: "b", count: 0, region: "us" },
    ];
    expect(ordersOf(far)).toEqual({});
  });

  test.each([
    ["drains", { state: ServingState.DRAINING }],
    ["is about to drain", { state: ServingState.ANNOUNCING }],
    ["is silent", { silentMs: 20_000 }],
  ])("nothing while one %s", (_, rest) => {
    expect(ordersOf([...pair(4000, 0), { id: "c", count: 10, ...rest }])).toEqual({});
  });

  test("one that has just started waits; switched off it never begins", () => {
    const young = [
      { id: "a", count: 4000 },
      { id: "b", count: 0, ageMs: GROWN_MS - 1 },
    ];
    expect(ordersOf(young)).toEqual({});
    expect(ordersOf(pair(4000, 0), false, { balances: false })).toEqual({});
  });

  test("turn by turn it comes to rest, and moves no more than was needed", () => {
    const counts = new Map([
      ["a", 5000],
      ["b", 5000],
      ["new", 0],
    ]);
    let isBalancing = false;
    let movedCount = 0;
    for (let turn = 0; turn < 100; turn += 1) {
      const given = [...counts].map(([id, count]) => ({ id, count }));
      const decided = decide(given, isBalancing);
      isBalancing = decided.isBalancing;
      for (const { gateway, count } of decided.orders) {
        counts.set(gateway, (counts.get(gateway) ?? 0) - count);
        counts.set("new", (counts.get("new") ?? 0) + count);
        movedCount += count;
      }
    }
    expect(isBalancing).toBe(false);
    expect(movedCount).toBeLessThanOrEqual(3333);
    expect(counts.get("new")).toBeGreaterThanOrEqual(3000);
  });
});
