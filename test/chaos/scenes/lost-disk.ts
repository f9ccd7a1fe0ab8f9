/**
 * The store is lost, and its sequence numbers are used again for other messages.
 */
import { rmSync } from "node:fs";
import path from "node:path";
import { createRoomClass } from "../../../examples/replay/room-class.ts";
import type { Scene } from "../scene.ts";
import { ROOM, Stage } from "../stage.ts";
import { ROOM_CLASS } from "../world.ts";

/** Provokes: a cursor without time (R9). */
export const lostDisk: Scene = {
  name: "lost-disk",
  text: "a consumer resumes after a sequence number that another message has now",
  async play(setup) {
    const stage = await Stage.start(setup);
    try {
      const consumer = await stage.consumer("c");
      const before = await stage.producer("before");
      await stage.burst(before, 10);
      await consumer.process.process.until(() => consumer.process.countOf(ROOM) === 10);
      consumer.site.way.refuse(true);
      consumer.process.process.say("move");
      await consumer.process.process.until(() => consumer.process.history.absences.length > 0);
      await before.process.process.close();
      await loseDisk(stage);
      stage.forget();
      const after = await stage.producer("after");
      await stage.burst(after, 60);
      consumer.site.way.heal();
      const { events } = consumer.process.history;
      await consumer.process.process.until(() => events.some(({ type }) => type === "joined"));
      await stage.burst(after, 5);
      return await stage.history(1500);
    } finally {
      await stage.close();
    }
  },
};

async function loseDisk(stage: Stage): Promise<void> {
  const { nats, gateways, controlPlane } = stage.world;
  const servers = [controlPlane, ...gateways.map(({ server }) => server)];
  await Promise.all(servers.map((server) => server.end("SIGKILL")));
  for (const node of nats.nodes) {
    await node.signal("SIGKILL");
    rmSync(path.join(node.options.folder, "store"), { recursive: true });
    await node.start();
  }
  await Promise.all(servers.map((server) => server.start()));
  await createRoomClass(controlPlane.grpc, ROOM_CLASS);
}
