/**
 * The play for loss accounting: two gateways, of which one is cut off from NATS for a moment, and
 * what both say of themselves at the end.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { GatewayAccount } from "./check-accounting.ts";
import type { ConsumerProcess } from "./client-process.ts";
import { nowUs } from "./clients/lines.ts";
import type { History } from "./history.ts";
import { type Actor, LIVE_ROOM, ROOM, type SceneSetup, Stage } from "./stage.ts";
import type { GatewaySite } from "./world.ts";

/** A subscription is no barrier: so long after a join everything reaches it, ms. */
const SETTLE_MS = 1500;

/** What a gateway's /metrics says of the two rooms, each the only one of its class. */
async function readAccount(site: GatewaySite, consumers: string[]): Promise<GatewayAccount> {
  const text = await (await fetch(`http://127.0.0.1:${site.adminPort}/metrics`)).text();
  const seriesOf = (family: string, ...labels: string[]) => {
    const isIt = (line: string) =>
      line.startsWith(`${family}{`) && labels.every((label) => line.includes(label));
    return Number(text.split("\n").find(isIt)?.split(" ").at(-1) ?? 0);
  };
  const countsOf = (room: string, isDurable: boolean) => {
    const [roomClass = ""] = room.split(":");
    const hop = (name: string) =>
      seriesOf("tidegate_messages_total", `class="${roomClass}"`, `hop="${name}"`);
    const ofLive = isDurable ? 0 : 1;
    return {
      published: hop("bus_publish"),
      received: hop("bus_deliver"),
      fannedOut: hop("fanout"),
      // These two are not told by class: void are durable ones, lost are ephemeral ones.
      skipped: (1 - ofLive) * seriesOf("tidegate_messages_skipped_total"),
      lost: ofLive * seriesOf("tidegate_messages_lost_total", 'hop="bus_deliver"'),
    };
  };
  const counts = { [ROOM]: countsOf(ROOM, true), [LIVE_ROOM]: countsOf(LIVE_ROOM, false) };
  return { name: site.server.name, counts, consumers };
}

/** Plays it: each room gets 40 messages before the cut, 30 in it and 20 after it. */
export async function playCutOff(
  setup: SceneSetup,
): Promise<{ history: History; accounts: readonly GatewayAccount[] }> {
  const stage = await Stage.start(setup, { gatewayCount: 2, hasMetrics: true });
  try {
    const consumers: Actor<ConsumerProcess>[] = [];
    for (const gateway of [0, 1]) {
      for (const room of [ROOM, LIVE_ROOM]) {
        consumers.push(await stage.consumer(`c${gateway}-${room}`, [gateway], room));
      }
    }
    const producers = [await stage.producer("p0", [0]), await stage.producer("p1", [1])] as const;
    await sleep(SETTLE_MS);
    const burst = async (who: 0 | 1, count: number) => {
      for (const room of [ROOM, LIVE_ROOM]) await stage.burst(producers[who], count, room);
    };
    await burst(0, 20);
    await burst(1, 20);
    const deaf = consumers.at(-1); // of the ephemeral room, at the gateway that is cut off
    // Acks of ephemeral messages come before their deliveries: none is to be on its way at the cut.
    await deaf?.process.process.until(() => {
      const { events } = deaf.process.history;
      return events.filter(({ type }) => type === "message").length >= 40;
    });
    const fromUs = nowUs();
    const ways = stage.world.gateways[1]?.ways ?? [];
    for (const way of ways) {
      way.refuse(true);
      way.cut();
    }
    await burst(0, 30); // the other gateway loses the ephemeral ones
    for (const way of ways) way.heal();
    const cut = { name: "bus-cut", target: "g1", mayCauseUnknown: false, isGatewayDeath: false };
    stage.faults.push({ ...cut, fromUs, toUs: nowUs() });
    await deaf?.process.process.until(() =>
      deaf.process.history.events.some(({ type }) => type === "gap"),
    );
    await burst(0, 10);
    await burst(1, 10);
    const history = await stage.history(5000);
    const accounts = await Promise.all(
      stage.world.gateways.map((site, i) =>
        readAccount(
          site,
          history.consumers.flatMap(({ name }) => (name.startsWith(`c${i}`) ? [name] : [])),
        ),
      ),
    );
    return { history, accounts };
  } finally {
    await stage.close();
  }
}
