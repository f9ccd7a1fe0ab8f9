/**
 * A replica that lags: everything that reaches its node through the cluster comes late, while its
 * own clients are answered at once, from what it has.
 */
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsCluster } from "../../../deploy/nats/cluster.ts";
import { freePorts, NatsNode } from "../../../deploy/nats/node.ts";
import { ChaosProxy } from "../proxy.ts";
import type { Scene } from "../scene.ts";
import { ROOM, Stage } from "../stage.ts";

/** So late, ms: below the 2 s after which a request to another node is given up. */
const LAG_MS = 1600;
/**
 * How often the consumer moves there: at first the gateway has to ask for more than messages, which
 * takes as long as the lag does.
 */
const TIMES = 6;
/** Number of the node that lags, and of the gateway at it; the other gateway is at node 0. */
const LAGGING = 2;

/** Provokes: answers that are not checked for freshness (R6). */
export const laggingReplica: Scene = {
  name: "lagging-replica",
  text: "a consumer moves to a gateway whose NATS node has not heard of its position yet",
  async play(setup) {
    const routes: ChaosProxy[] = [];
    const stage = await Stage.start(setup, {
      nodeCount: 3,
      gatewayCount: 2,
      nodesOf: (gateway) => (gateway === 0 ? [0] : [LAGGING]),
      startNats: (binary, folder) => startLagging(binary, folder, routes),
    });
    try {
      await leadElsewhere(stage);
      const consumer = await stage.consumer("c", [0]);
      const producer = await stage.producer("p", [0]);
      await stage.burst(producer, 5);
      // Only what goes to the lagging node: that what it says is late too would prove nothing.
      for (const [node, route] of routes.entries()) {
        route.delay(LAG_MS, node === LAGGING ? "toTarget" : "toClient");
      }
      await sleep(LAG_MS); // what is on its way without delay
      const { history, process: client, countOf } = consumer.process;
      const joins = () => history.events.filter(({ type }) => type === "joined").length;
      for (let turn = 1; turn <= TIMES; turn += 1) {
        await stage.burst(producer, 5);
        await client.until(() => countOf(ROOM) === 5 + 5 * turn);
        for (const gateway of [1, 0]) {
          consumer.site.gateways = [gateway];
          const before = joins();
          client.say("move");
          await client.until(() => joins() > before);
        }
      }
      for (const route of routes) route.heal();
      await stage.burst(producer, 5);
      return await stage.history(15_000);
    } finally {
      await stage.close();
      await Promise.all(routes.map((route) => route.close()));
    }
  },
};

/** Three nodes; every route to the last one, either way, goes through a proxy. */
async function startLagging(
  binary: string,
  folder: string,
  routes: ChaosProxy[],
): Promise<NatsCluster> {
  const free = await freePorts(6);
  const routePort = (node: number) => free[3 + node] ?? 0;
  const proxies = await Promise.all([0, 1, 2].map((n) => ChaosProxy.open(() => [routePort(n)])));
  routes.push(...proxies);
  const nodes = [0, 1, 2].map((n) => {
    const isLagging = n === LAGGING;
    const known = isLagging ? proxies.slice(0, 2).map(({ port }) => port) : [routePort(0)];
    const advertised = proxies[n]?.port ?? 0;
    return new NatsNode({
      binary,
      name: `n${n}`,
      port: free[n] ?? 0,
      folder: path.join(folder, `n${n}`),
      cluster: { name: "tidegate", port: routePort(n), routes: known },
      args: [
        "--no_advertise",
        ...(isLagging ? ["--cluster_advertise", `127.0.0.1:${advertised}`] : []),
      ],
    });
  });
  await Promise.all(nodes.map((node) => node.start()));
  return {
    nodes,
    urls: nodes.map(({ url }) => url),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/** The lagging node leads nothing: a leader is always fresh. */
async function leadElsewhere(stage: Stage): Promise<void> {
  const { admin } = stage.world;
  const manager = await jetstreamManager(admin);
  for (;;) {
    const { cluster } = await manager.streams.info("TG_0");
    if (cluster?.leader !== undefined && cluster.leader !== `n${LAGGING}`) return;
    await admin.request("$JS.API.STREAM.LEADER.STEPDOWN.TG_0", "", { timeout: 5000 });
    await sleep(200);
  }
}
