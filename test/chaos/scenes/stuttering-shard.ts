/**
 * A shard that is without a leader for moments: publishes fail and succeed side by side.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Scene } from "../scene.ts";
import { Stage } from "../stage.ts";

/** How often the shard goes away, and for how long, ms. */
const TIMES = 3;
const AWAY_MS = 60;

/** Provokes: free retries (R3). */
export const stutteringShard: Scene = {
  name: "stuttering-shard",
  text: "200 publishes at once, while the shard's subjects come and go",
  async play(setup) {
    const stage = await Stage.start(setup);
    try {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      const { subjects } = await stage.streamConfig();
      const seals = subjects.filter((subject) => subject.startsWith("tg.seal."));
      for (let turn = 0; turn < TIMES; turn += 1) {
        await stage.changeStream({ subjects: seals });
        const published = stage.burst(producer, 200);
        await sleep(AWAY_MS);
        await stage.changeStream({ subjects });
        await published;
      }
      return await stage.history(10_000);
    } finally {
      await stage.close();
    }
  },
};
