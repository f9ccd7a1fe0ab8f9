/** R12 when the KV loses its leader: leases live on, and who could not renew them goes on. */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { LEASE_BUCKET, type LeaseEntry, watchLeases } from "../../bus/nats/lease-records.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import type { NatsNode } from "../../deploy/nats/node.ts";
import { append, codeOf, newProducer, newRoom, readAll } from "../bus/contract-tools.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const options = { replicaCount: 3, leaseTtlMs: 30_000 } as const;

async function open(servers: string[], name: string) {
  const bus = await openNatsBus({ servers, name, ...options });
  onTestFinished(() => bus.close());
  const states: string[] = [];
  bus.lease.onChange((state, why) => states.push(`${state}: ${why}`));
  return { bus, states, incarnation: bus.lease.incarnation };
}

/** The node that leads the bucket of leases. */
async function leaderOf(nats: TestNats): Promise<NatsNode> {
  const connection = await connect({ servers: nats.urls });
  const manager = await jetstreamManager(connection);
  const { cluster } = await manager.streams.info(`KV_${LEASE_BUCKET}`);
  await connection.close();
  const leader = nats.nodes.find((node) => node.options.name === cluster?.leader);
  if (leader === undefined) throw new Error("the bucket has no leader");
  return leader;
}

/** Follows renewals; the function waits until all these ids were renewed from now on. */
async function followRenewals(bus: Bus) {
  const revisions = new Map<string, number>();
  let look = () => {};
  const { promise: synced, resolve: onSynced } = Promise.withResolvers<void>();
  const onLease = (id: string, entry: LeaseEntry | null) => {
    revisions.set(id, entry?.revision ?? 0);
    look();
  };
  onTestFinished(await watchLeases(await bus.keyValue(LEASE_BUCKET), { onLease, onSynced }));
  await synced;
  return (ids: readonly string[]) => {
    const before = new Map(revisions);
    const isRenewed = (id: string) => (revisions.get(id) ?? 0) > (before.get(id) ?? 0);
    return new Promise<void>((resolve) => {
      look = () => {
        if (ids.every(isRenewed)) resolve();
      };
    });
  };
}

test("kill -9 of the KV's leader: leases last, at the node that died and at the others", async () => {
  const nats = await startTestNats(3);
  onTestFinished(() => nats.stop());
  const first = await open(nats.urls, "first");
  const leader = await leaderOf(nats);
  const others = nats.urls.filter((url) => url !== leader.url);
  // One that has to reconnect, and one that only can not renew.
  const [cut, kept] = [await open([leader.url], "cut"), await open(others, "kept")];
  const renewal = await followRenewals(kept.bus);
  await leader.signal("SIGKILL");
  await renewal(["first", "cut", "kept"]);
  const room = newRoom();
  for (const { bus, states, incarnation } of [first, cut, kept]) {
    const id = { producer: newProducer(), seq: 1 };
    while ((await codeOf(() => append(bus, room, id, "after"))) === "UNAVAILABLE");
    expect(bus.lease.incarnation).toBe(incarnation);
    expect(states.join()).not.toContain("lost");
  }
  expect(await readAll(kept.bus, room)).toHaveLength(3);
  expect(cut.states.join()).toContain("renewing: the connection to NATS broke");
  expect(kept.states.join()).not.toContain("connection");
  expect(kept.states.join()).not.toContain("could not be renewed");
}, 90_000);
