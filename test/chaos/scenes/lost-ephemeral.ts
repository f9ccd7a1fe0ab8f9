/**
 * A gateway is cut off from NATS for a moment, and what an ephemeral room said meanwhile is lost:
 * its last messages, so nothing that follows shows it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nowUs } from "../clients/lines.ts";
import type { Scene } from "../scene.ts";
import { LIVE_ROOM, Stage } from "../stage.ts";

/** Longer than the 2 s in which losses are announced, ms: then the checker can judge. */
const AFTER_MS = 5000;

/** Provokes: ephemeral losses that nobody is told of. */
export const lostEphemeral: Scene = {
  name: "lost-ephemeral",
  text: "5 ephemeral messages are published at one gateway while another is cut off from NATS",
  async play(setup) {
    const stage = await Stage.start(setup, { gatewayCount: 2 });
    try {
      const consumer = await stage.consumer("c", [1], LIVE_ROOM);
      const producer = await stage.producer("p", [0]);
      await sleep(1500); // a subscription is no barrier: from here on it is judged
      await stage.burst(producer, 5, LIVE_ROOM);
      await consumer.process.process.until(() => consumer.process.countOf(LIVE_ROOM) === 5);
      const fromUs = nowUs();
      const ways = stage.world.gateways[1]?.ways ?? [];
      for (const way of ways) {
        way.refuse(true);
        way.cut();
      }
      await stage.burst(producer, 5, LIVE_ROOM);
      for (const way of ways) way.heal();
      const kind = { name: "bus-cut", target: "g1", mayCauseUnknown: false, isGatewayDeath: false };
      stage.faults.push({ ...kind, fromUs, toUs: nowUs() });
      await sleep(AFTER_MS);
      return await stage.history(1000);
    } finally {
      await stage.close();
    }
  },
};
