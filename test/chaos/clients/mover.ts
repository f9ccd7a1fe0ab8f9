/**
 * A mover in a process of its own: it has a lease like any control plane, and moves slots when told
 * to on stdin, "move <id> <slot> <shard>". The process ends with its stdin.
 */
import path from "node:path";
import { createInterface } from "node:readline";
import { type MoverWork, tell } from "./lines.ts";

const work = JSON.parse(process.argv[2] ?? "") as MoverWork;
const file = path.join(work.root, "bus/nats/nats-bus.ts");
const { openNatsBus } = (await import(file)) as typeof import("../../../bus/nats/nats-bus.ts");
const orders = createInterface({ input: process.stdin }).on("close", () => process.exit(0));
const bus = await openNatsBus({ ...work.bus, parts: "controlplane" });
orders.on("line", (line) => {
  const [, id, slot, shard] = line.split(" ").map(Number);
  bus.shards.moveSlot(slot ?? -1, shard ?? -1).then(
    () => tell({ t: "moved", id: id ?? 0, error: "" }),
    (error: unknown) => tell({ t: "moved", id: id ?? 0, error: String(error) }),
  );
});
tell({ t: "ready" });
