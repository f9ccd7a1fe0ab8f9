/** Where a client goes that finds its gateway full. */
import { expect, test } from "vitest";
import type { Peer } from "../../../gateway/drain/peer.ts";
import { decideRedirect } from "../../../gateway/edge/redirect.ts";

function peer(id: string, more: Partial<Peer> = {}): Peer {
  const counts = { connectionCount: 50, connectionCountMax: 100 };
  const rest = { cpuShare: 0, loopDelayMs: 0, connectRate: 0, saidUs: 1, isDraining: false };
  const base = { id, region: "eu", url: `wss://${id}/ws`, isServing: true, ...counts, ...rest };
  return { ...base, ...more } as Peer;
}

const nobody = new Map<string, { perS: number; sinceFacts: number }>();
const idOf = (peers: readonly Peer[], chance: number, sent = nobody) =>
  decideRedirect(peers, "eu", sent, chance)?.id ?? null;

test("nobody has room, nobody can be reached, nobody serves: none", () => {
  expect(idOf([], 0)).toBeNull();
  expect(idOf([peer("full", { connectionCount: 100 })], 0)).toBeNull();
  expect(idOf([peer("over", { connectionCount: 170 })], 0)).toBeNull();
  expect(idOf([peer("nowhere", { url: "" })], 0)).toBeNull();
  expect(idOf([peer("ending", { isServing: false })], 0)).toBeNull();
});

test("who was sent there since it said how full it is counts", () => {
  const sent = new Map([["a", { perS: 0, sinceFacts: 50 }]]);
  expect(idOf([peer("a")], 0, sent)).toBeNull();
  expect(idOf([peer("a"), peer("b")], 0.99, sent)).toBe("b");
});

test("by chance in proportion to free room", () => {
  const peers = [peer("a", { connectionCount: 90 }), peer("b", { connectionCount: 70 })];
  const ids = Array.from({ length: 40 }, (_, i) => idOf(peers, i / 40));
  expect(ids.filter((id) => id === "a")).toHaveLength(10);
  expect(ids.filter((id) => id === "b")).toHaveLength(30);
});

test("in the own region, and elsewhere only when nobody there has room", () => {
  const far = peer("far", { region: "us", connectionCount: 0 });
  expect(idOf([far, peer("near", { connectionCount: 99 })], 0.99)).toBe("near");
  expect(idOf([far, peer("near", { connectionCount: 100 })], 0.99)).toBe("far");
});
