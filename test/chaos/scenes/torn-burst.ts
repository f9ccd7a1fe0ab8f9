/**
 * A gateway dies after some of a burst was refused and some of it, later in order, was stored: the
 * client's retries at another gateway come behind what is stored.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nowUs } from "../clients/lines.ts";
import type { Scene } from "../scene.ts";
import { Stage } from "../stage.ts";

/** Bytes a second from the gateway to NATS: some 60 publishes. */
const BYTES_PER_S = 15_000;

/** Provokes: retries over a reconnect that forget the order of what was stored (R3). */
export const tornBurst: Scene = {
  name: "torn-burst",
  text: "a burst is half refused, half stored, and its gateway is killed before it can mend that",
  async play(setup) {
    const stage = await Stage.start(setup, { gatewayCount: 2 });
    try {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      const { subjects } = await stage.streamConfig();
      const seals = subjects.filter((subject) => subject.startsWith("tg.seal."));
      producer.site.gateways = [0];
      producer.site.way.cut();
      await stage.burst(producer, 5);
      const [doomed] = stage.world.gateways;
      for (const way of doomed?.ways ?? []) way.slow(BYTES_PER_S);
      await stage.changeStream({ subjects: seals });
      producer.site.way.freeze("toClient");
      const fromUs = nowUs();
      const published = stage.burst(producer, 100);
      await sleep(400); // some arrive, and are refused
      await stage.changeStream({ subjects });
      await stage.untilStored(15); // and some later ones are stored
      producer.site.gateways = [1];
      for (const way of doomed?.ways ?? []) way.cut();
      await doomed?.server.end("SIGKILL");
      producer.site.way.cut();
      producer.site.way.heal();
      const kind = { name: "gateway-kill", target: "g0", mayCauseUnknown: true };
      stage.faults.push({ ...kind, isGatewayDeath: true, fromUs, toUs: nowUs() });
      await published;
      return await stage.history(20_000);
    } finally {
      await stage.close();
    }
  },
};
