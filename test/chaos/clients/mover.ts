/**
 * A mover in a process of its own: it has a lease like any control plane, and moves slots when told
 * to on stdin, "move <id> <slot> <shard>", or makes a shard, "create <id>". The process ends with
 * its stdin.
 */
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type MoverWork, tell } from "./lines.ts";

/** A start that failed is tried again after this, ms. */
const RETRY_MS = 500;

const work = JSON.parse(process.argv[2] ?? "") as MoverWork;
const file = path.join(work.root, "bus/nats/nats-bus.ts");
const { openNatsBus } = (await import(file)) as typeof import("../../../bus/nats/nats-bus.ts");
const orders = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const bus = await open();
bus.lease.onChange((state) => {
  if (state === "lost") process.exit(1); // as every process of the product does (R12)
});
orders.on("line", (line) => {
  const [verb = "", id = "0", slot, shard] = line.split(" ");
  act(verb, Number(slot), Number(shard)).then(
    () => tell({ t: "moved", id: Number(id), error: "" }),
    (error: unknown) => tell({ t: "moved", id: Number(id), error: String(error) }),
  );
});
tell({ t: "ready" });

async function act(verb: string, slot: number, shard: number): Promise<void> {
  if (verb === "move") await bus.shards.moveSlot(slot, shard);
  else await bus.shards.create({ group: 0, region: "", capacity: 1 });
}

/** NATS may be broken right now. */
async function open() {
  for (;;) {
    try {
      return await openNatsBus({ ...work.bus, parts: "controlplane" });
    } catch {
      await sleep(RETRY_MS);
    }
  }
}
