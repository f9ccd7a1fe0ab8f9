/**
 * Changes of the configuration while the bucket's leader is killed: none half applied, none twice,
 * each with its audit entry.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import type { Caller } from "../../controlplane/access/caller.ts";
import { type ChangeSpec, ControlStore } from "../../controlplane/control-store.ts";
import type { NatsNode } from "../../deploy/nats/node.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";
import { startTestNats, type TestNats } from "./start-nats.ts";

const caller: Caller = { principal: "anna", role: "admin", gatewayId: null, peer: "here" };

async function leaderOf(nats: TestNats): Promise<NatsNode> {
  const connection = await connect({ servers: nats.urls });
  const manager = await jetstreamManager(connection);
  const { cluster } = await manager.streams.info(`KV_${CONTROL_BUCKET}`);
  await connection.close();
  const leader = nats.nodes.find((node) => node.options.name === cluster?.leader);
  if (leader === undefined) throw new Error("the bucket has no leader");
  return leader;
}

/** Adds one to a number, and to a second one in the same commit. */
function increment(store: ControlStore, name: string): ChangeSpec {
  const next = (value: Uint8Array | null) => Number(Buffer.from(value ?? []).toString() || 0) + 1;
  return {
    key: `thing.${name}`,
    audit: { method: "test.Things/Increment", resource: `things/${name}` },
    decide: async ({ value }) => {
      const twin = await store.keys.get(`twin.${name}`);
      const bytes = Buffer.from(String(next(value)));
      return {
        ...{ kind: "write", value: bytes, before: next(value) - 1, after: next(value) },
        along: [
          {
            ...{ key: `twin.${name}`, revision: twin?.revision ?? 0 },
            value: Buffer.from(String(next(twin?.value ?? null))),
          },
        ],
      };
    },
  };
}

/** As a careful caller does: again with the same request id until there is an answer. */
async function untilDone(store: ControlStore, name: string, requestId: string): Promise<boolean> {
  let isRetried = false;
  for (;;) {
    try {
      await store.changeRecord(caller, increment(store, name), { validateOnly: false, requestId });
      return isRetried;
    } catch (reason) {
      const { code } = CodedError.from(reason);
      if (code !== "UNAVAILABLE" && code !== "ETAG_MISMATCH") throw reason;
      isRetried = true;
    }
  }
}

test("kill -9 of the leader among changes: each is made once, whole, with one entry", async () => {
  const nats = await startTestNats(3);
  onTestFinished(() => nats.stop());
  const stores: ControlStore[] = [];
  for (const name of ["one", "two"]) {
    const bus = await openNatsBus({ servers: nats.urls, name, replicaCount: 3 });
    onTestFinished(() => bus.close());
    stores.push(await ControlStore.open(bus));
  }
  const [store] = stores as [ControlStore, ControlStore];
  const names = ["own-0", "own-1", "own-2", "shared"];
  const done = new Map(names.map((name) => [name, 0]));
  let isStopping = false;
  let retriedCount = 0;
  let look = () => {};
  const workers = ["own-0", "own-1", "own-2", "shared", "shared"].map(async (name, worker) => {
    for (let i = 0; !isStopping; i += 1) {
      const through = stores[(worker + i) % 2] ?? store;
      const isRetried = await untilDone(through, name, `${worker}-${i}`);
      if (isRetried) retriedCount += 1;
      done.set(name, (done.get(name) ?? 0) + 1);
      look();
    }
  });
  const count = () => [...done.values()].reduce((sum, each) => sum + each, 0);
  const untilCount = (wanted: number) =>
    new Promise<void>((resolve) => {
      look = () => {
        if (count() >= wanted) resolve();
      };
      look();
    });
  try {
    await untilCount(30);
    const leader = await leaderOf(nats);
    await leader.signal("SIGKILL");
    await untilCount(count() + 60);
    await leader.start();
    await untilCount(count() + 30);
  } finally {
    isStopping = true;
    await Promise.all(workers);
  }
  expect(retriedCount).toBeGreaterThan(0);
  const entries = (await store.keys.list("audit.")).map(({ value }) => AuditEntry.decode(value));
  for (const name of names) {
    const made = done.get(name) ?? 0;
    for (const key of [`thing.${name}`, `twin.${name}`]) {
      const entry = await store.keys.get(key);
      expect([key, Buffer.from(entry?.value ?? []).toString()]).toEqual([key, String(made)]);
    }
    const audited = entries.filter(({ resource }) => resource === `things/${name}`);
    const after = audited.map((entry) => Number(entry.after)).sort((a, b) => a - b);
    expect(after).toEqual(Array.from({ length: made }, (_, i) => i + 1));
  }
  expect(await store.keys.list("request.")).toHaveLength(count());
}, 120_000);
