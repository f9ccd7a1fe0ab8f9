/**
 * Slots that move at the worst moment: publishes of the epoch that ends come late, or their acks
 * are lost.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { roomAddress } from "../../../bus/subjects.ts";
import { nowUs } from "../clients/lines.ts";
import type { Mover } from "../mover.ts";
import type { Scene } from "../scene.ts";
import { ROOM, type SceneSetup, Stage, type StageWish } from "../stage.ts";

const { slot } = roomAddress("default", ROOM);
/** Of two shards, the one that does not own the room's slot. */
const to = 1 - (slot % 2);

/** Provokes: a move that goes on without the old leader's word that the epoch is gone (R10). */
export const lateSeal: Scene = {
  name: "late-seal",
  text: "publishes sleep in a proxy, their gateway dies, their slot moves on, and they arrive",
  play: (setup) =>
    play(setup, { gatewayCount: 2 }, async (stage, mover) => {
      const consumer = await stage.consumer("c", [1]);
      const [late, other] = [await stage.producer("p", [0]), await stage.producer("q", [1])];
      await stage.burst(late, 5);
      await stage.burst(other, 5);
      const [doomed] = stage.world.gateways;
      const way = doomed?.ways.find(({ linkCount }) => linkCount > 0);
      if (way === undefined) throw new Error("the gateway has no way to NATS");
      const fromUs = nowUs();
      way.freeze("toTarget");
      stage.burstUnanswered(late, 5);
      while (way.heldBytes === 0) await sleep(10);
      await sleep(50); // all five are inside
      late.site.way.freeze();
      late.site.gateways = [1];
      way.strand();
      await doomed?.server.end("SIGKILL");
      await mover.move(slot, to);
      await stage.burst(other, 5);
      await consumer.process.process.until(() => consumer.process.countOf(ROOM) >= 15);
      way.heal();
      await sleep(300); // what was inside is stored now, or refused
      late.site.way.cut();
      late.site.way.heal();
      const kind = { name: "gateway-kill", target: "g0", mayCauseUnknown: true };
      stage.faults.push({ ...kind, isGatewayDeath: true, fromUs, toUs: nowUs() });
    }),
};

/** Provokes: a retry that is not looked up in the epoch that was sealed meanwhile (R4). */
export const movedRetry: Scene = {
  name: "moved-retry",
  text: "20 publishes are stored, their slot moves before they are acknowledged, all come again",
  play: (setup) =>
    play(setup, {}, async (stage, mover) => {
      await stage.consumer("c");
      const producer = await stage.producer("p");
      await stage.burst(producer, 5);
      producer.site.way.freeze("toClient");
      stage.burstUnanswered(producer, 20);
      await stage.untilStored(25);
      await mover.move(slot, to);
      producer.site.way.cut();
      producer.site.way.heal();
    }),
};

async function play(
  setup: SceneSetup,
  wish: StageWish,
  act: (stage: Stage, mover: Mover) => Promise<void>,
) {
  const stage = await Stage.start(setup, { ...wish, shardCount: 2 });
  try {
    const mover = await stage.world.mover("mover");
    await act(stage, mover);
    return await stage.history(15_000);
  } finally {
    await stage.close();
  }
}
