/**
 * Publishes arrive, their answers do not, and the connection breaks: every one is sent again.
 */
import type { Scene } from "../scene.ts";
import { Stage } from "../stage.ts";

/** Provokes: no de-duplication (R1, R4). */
export const lostAnswers: Scene = {
  name: "lost-answers",
  text: "20 publishes are stored, their acks are held back, and the connection is cut",
  async play(setup) {
    const stage = await Stage.start(setup);
    try {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      await stage.burst(producer, 5);
      producer.site.way.freeze("toClient");
      stage.burstUnanswered(producer, 20);
      await stage.untilStored(25);
      producer.site.way.cut();
      producer.site.way.heal();
      return await stage.history(10_000);
    } finally {
      await stage.close();
    }
  },
};
