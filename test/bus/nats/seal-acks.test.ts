import { expect, test } from "vitest";
import { awaitAcks, type Holders, shutOut } from "../../../bus/nats/seal-acks.ts";

/** Holders as their leases say, and what was done to them. */
function holdersOf(acks: Readonly<Record<string, number>>, gateways = Object.keys(acks)) {
  const done: string[] = [];
  const holders: Holders = {
    acks: () => new Map(Object.entries(acks)),
    gateways: () => gateways,
    changed: () => new Promise(() => {}),
    isAlive: async () => false,
    tellToDrain: (id) => void done.push(`drain ${id}`),
    fence: async (id, revision) => void done.push(`fence ${id} below ${revision}`),
  };
  return { holders, done };
}

test("shutOut: the silent ones are told to drain, and fenced, where another gateway is left", async () => {
  const { holders, done } = holdersOf({ a: 3, b: 9, c: 2 });
  await shutOut(holders, ["a", "c"], 9);
  expect(done).toEqual(["drain a", "drain c", "fence a below 9", "fence c below 9"]);
});

test("shutOut: no fleet is told to drain as a whole; a control plane takes no clients", async () => {
  const { holders, done } = holdersOf({ a: 3, b: 2, plane: 9 }, ["a", "b"]);
  await shutOut(holders, ["a", "b"], 9);
  expect(done).toEqual(["fence a below 9", "fence b below 9"]);
});

test("awaitAcks: who is dead is not waited for, and an end waits for nobody", async () => {
  const { holders } = holdersOf({ a: 9, dead: 3 });
  expect(await awaitAcks(holders, 9, new AbortController().signal)).toEqual([]);
  const alive: Holders = { ...holders, isAlive: async () => true };
  expect(await awaitAcks(alive, 9, AbortSignal.abort())).toEqual(["dead"]);
});
