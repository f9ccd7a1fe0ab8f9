/** What a gateway makes of the others' leases. */
import { expect, test } from "vitest";
import type { ProcessEntry } from "../../../bus/topology.ts";
import { freeCount, readAddresses, readPeers, SILENT_MS } from "../../../gateway/drain/peer.ts";
import { SLOT_MS } from "../../../gateway/drain/plan.ts";
import {
  decideAnnounceMsMin,
  decideDrainReadMs,
  decideReadEveryMs,
  FACTS_MS,
} from "../../../gateway/drain/read-every.ts";
import {
  GatewayFacts,
  ServingState,
} from "../../../proto/gen/tidegate/control/v1/gateway_facts.ts";

const NOW_US = 1_000_000_000_000;

const nothing = GatewayFacts.decode(new Uint8Array(0));

const entryOf = (id: string, facts: Partial<GatewayFacts>, ageMs = 0): ProcessEntry => ({
  ...{ id, parts: "gateway", incarnation: "x", host: "h", pid: 1, version: "1.0.0" },
  ...{ startedUs: 0, renewedUs: NOW_US - ageMs * 1000, expiresUs: null, routingRevision: 0 },
  facts: GatewayFacts.encode({ ...nothing, ...facts }).finish(),
});

const serving = { state: ServingState.SERVING, connectionCount: 3, connectionCountMax: 10 };

test("readPeers: all but this gateway and control planes, each with its room", () => {
  const entries = [
    entryOf("own", serving),
    { ...entryOf("cp", serving), parts: "controlplane" as const },
    entryOf("a", { ...serving, advertiseUrl: "ws://a/ws" }),
  ];
  const peers = readPeers(entries, "own", NOW_US);
  expect(peers).toMatchObject([{ id: "a", url: "ws://a/ws", isServing: true }]);
  expect(peers.map(freeCount)).toEqual([7]);
});

test("readPeers: who drains, is about to, has ended or is silent takes nobody", () => {
  const entries = [
    entryOf("announcing", { ...serving, state: ServingState.ANNOUNCING }),
    entryOf("draining", { ...serving, state: ServingState.DRAINING }),
    entryOf("stopped", { ...serving, state: ServingState.STOPPED }),
    entryOf("silent", serving, SILENT_MS),
  ];
  const peers = readPeers(entries, "own", NOW_US);
  expect(peers.map(({ isServing }) => isServing)).toEqual([false, false, false, false]);
  expect(peers.filter(({ isDraining }) => isDraining).map(({ id }) => id)).toEqual([
    "announcing",
    "draining",
  ]);
});

test("readPeers: one that says nothing, or no facts at all, takes some, and has no address", () => {
  const garbled = { ...entryOf("b", {}), facts: Buffer.from([0xff, 0xff]) };
  const longUrl = { ...serving, advertiseUrl: `ws://${"a".repeat(300)}/ws` };
  const entries = [
    entryOf("a", {}),
    garbled,
    entryOf("c", { ...serving, advertiseUrl: "ftp://c" }),
  ];
  for (const peer of readPeers([...entries, entryOf("d", longUrl)], "own", NOW_US)) {
    expect(peer).toMatchObject({ isServing: true, url: "" });
    expect(freeCount(peer)).toBeGreaterThan(0);
  }
});

test("decideReadEveryMs: a fleet reads at most 10 000 leases a second in all", () => {
  expect(decideReadEveryMs(4)).toBe(FACTS_MS);
  for (const count of [1, 10, 100, 1000, 5000]) {
    expect((count * count * 1000) / decideReadEveryMs(count)).toBeLessThanOrEqual(10_000);
  }
});

test("decideAnnounceMsMin: whoever drains too has read of this one before its first client goes", () => {
  for (const count of [0, 1, 50, 100, 1000]) {
    const [first, second] = [true, false].map((isAlone) => decideAnnounceMsMin(count, isAlone));
    expect(first).toBeLessThanOrEqual(500);
    expect(second).toBeGreaterThanOrEqual(2 * decideDrainReadMs(count) + 500);
    expect(count / (decideDrainReadMs(count) / 1000)).toBeLessThanOrEqual(200); // leases a second
  }
  expect(decideDrainReadMs(3)).toBeLessThan(SLOT_MS);
  expect(decideDrainReadMs(1000)).toBe(FACTS_MS);
});

test("readAddresses: all but this gateway; only usable addresses, and who accepts serves", () => {
  const listed = {
    ...{ name: "gateways/a", advertiseUrl: "ws://a/ws", region: "eu", accepting: true },
    version: "0.3.0",
    ...{ connectionCount: 3, connectionCountMax: 10, cpuShare: 0.5, connectRate: 7 },
  };
  const addresses = [
    { ...listed, name: "gateways/own" },
    listed,
    { ...listed, name: "gateways/b", advertiseUrl: "http://b", accepting: false },
  ];
  const peers = readAddresses(addresses, "own", NOW_US);
  const room = { connectionCount: 3, connectionCountMax: 10, cpuShare: 0.5, connectRate: 7 };
  expect(peers).toEqual([
    {
      ...{
        id: "a",
        version: "0.3.0",
        region: "eu",
        url: "ws://a/ws",
        isServing: true,
        isDraining: false,
      },
      ...{ ...room, loopDelayMs: 0, saidUs: NOW_US },
    },
    {
      ...{ id: "b", version: "0.3.0", region: "eu", url: "", isServing: false, isDraining: false },
      ...{ ...room, loopDelayMs: 0, saidUs: NOW_US },
    },
  ]);
});
