/**
 * RePublish is not complete: it is switched off for some messages, as a leader's death does.
 */
import type { Scene } from "../scene.ts";
import { Stage } from "../stage.ts";

const republish = { src: "tg.in.>", dest: "tg.out.>" };

/** Provokes: no gap fill (R5). */
export const lostMiddle: Scene = {
  name: "lost-middle",
  text: "5 messages are stored and not republished, and 5 follow that are",
  async play(setup) {
    const stage = await Stage.start(setup);
    try {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      await stage.burst(producer, 5);
      await stage.changeStream({ republish: undefined });
      await stage.burst(producer, 5);
      await stage.changeStream({ republish });
      await stage.burst(producer, 5);
      return await stage.history(3000);
    } finally {
      await stage.close();
    }
  },
};

/** Provokes: no tail marker and no sweep (R7, R8). */
export const lostTail: Scene = {
  name: "lost-tail",
  text: "3 messages are stored and not republished, and nothing follows",
  async play(setup) {
    const stage = await Stage.start(setup);
    try {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      await stage.burst(producer, 5);
      await stage.changeStream({ republish: undefined });
      await stage.burst(producer, 3);
      return await stage.history(13_000); // the backstop comes after 10 s
    } finally {
      await stage.close();
    }
  },
};
