/**
 * Publishes sleep in a middle box's buffer for longer than names are remembered, and arrive after
 * their retries were acknowledged.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Scene } from "../scene.ts";
import { ROOM, Stage } from "../stage.ts";

/** De-duplication window, ms; publishes have 2/3 of it to be stored. */
const WINDOW_MS = 6000;

/** Provokes: no void rule (R2). */
export const lateBytes: Scene = {
  name: "late-bytes",
  text: "5 publishes are held inside a proxy to NATS, retried, acknowledged, and then let go",
  async play(setup) {
    const stage = await Stage.start(setup, { windowMs: WINDOW_MS, wayCount: 2 });
    try {
      const consumer = await stage.consumer("c");
      const producer = await stage.producer("p");
      await stage.burst(producer, 5);
      const [gateway] = stage.world.gateways;
      const way = gateway?.ways.find(({ linkCount }) => linkCount > 0);
      if (way === undefined) throw new Error("the gateway has no way to NATS");
      way.freeze("toTarget");
      const retried = stage.burst(producer, 5);
      while (way.heldBytes === 0) await sleep(10);
      await sleep(50); // all five are inside
      way.strand();
      way.heal(true);
      await retried;
      await consumer.process.process.until(() => consumer.process.countOf(ROOM) === 10);
      await sleep(WINDOW_MS + 1500);
      way.heal();
      await stage.untilStored(15);
      return await stage.history(2000);
    } finally {
      await stage.close();
    }
  },
};
