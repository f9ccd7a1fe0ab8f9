/** One leader at a time, on the embedded bus's keys and on NATS's. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test, vi } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { Leadership } from "../../bus/leadership.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { collectLeftovers } from "../leftovers.ts";
import { startTestNats } from "../nats/start-nats.ts";

const ttlMs = 5000;

const atEnd = collectLeftovers();
const buses = {
  embedded: async () => {
    const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-leader-"));
    atEnd(() => rmSync(dataDir, { recursive: true }));
    return openEmbeddedBus({ dataDir });
  },
  nats: async () => {
    const nats = await startTestNats(1);
    atEnd(() => nats.stop());
    return openNatsBus({ servers: nats.urls, name: "leaders" });
  },
} satisfies Record<string, () => Promise<Bus>>;

for (const [kind, open] of Object.entries(buses)) {
  test.concurrent(`Leadership on ${kind}: one leads; it gives up or loses its key, another does`, async () => {
    const bus = await open();
    atEnd(() => bus.close());
    const kv = await bus.keyValue("leaders");
    const told: string[] = [];
    const tokens: number[] = [];
    const join = async (name: string) => {
      const leadership = await Leadership.join(
        kv,
        "work",
        name,
        {
          onLeading: (token) => {
            told.push(`${name} leads`);
            tokens.push(token);
          },
          onStopped: () => told.push(`${name} stopped`),
        },
        ttlMs,
      );
      atEnd(() => leadership.close());
      return leadership;
    };
    const first = await join("first");
    await vi.waitUntil(() => first.isLeading);
    const second = await join("second");
    expect(second.isLeading).toBe(false);
    // Renewed beyond its first life, it still leads.
    const before = (await kv.get("work.leader"))?.revision ?? 0;
    await vi.waitUntil(async () => ((await kv.get("work.leader"))?.revision ?? 0) > before, {
      timeout: 10_000,
    });
    expect([first.isLeading, second.isLeading]).toEqual([true, false]);
    await first.close();
    await vi.waitUntil(() => second.isLeading, { timeout: 2000 });
    // Somebody takes the key away: whoever led stops at the next renewal, and one takes it anew.
    await kv.delete("work.leader");
    await vi.waitUntil(() => told.length >= 5, { timeout: 10_000 });
    expect(told).toEqual([
      "first leads",
      "first stopped",
      "second leads",
      "second stopped",
      "second leads",
    ]);
    expect(tokens).toEqual([...tokens].sort((a, b) => a - b));
    expect(new Set(tokens).size).toBe(3);
  }, 30_000);
}

test.concurrent("Leadership: a key that is not renewed is taken over, though the store keeps it", async () => {
  const bus = await buses.embedded();
  atEnd(() => bus.close());
  const kv = await bus.keyValue("leaders");
  const revision = await kv.create("work.leader", Buffer.from("dead"), 0); // lives for ever
  const tokens: number[] = [];
  const events = { onLeading: (token: number) => tokens.push(token), onStopped: () => {} };
  const next = await Leadership.join(kv, "work", "next", events, ttlMs);
  atEnd(() => next.close());
  await vi.waitUntil(() => next.isLeading, { timeout: 20_000 });
  expect(tokens[0]).toBeGreaterThan(revision);
}, 30_000);
