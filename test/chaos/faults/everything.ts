/**
 * The restart of everything: every node, gateway and control plane dies at once; the disks are
 * kept.
 */
import type { Fault } from "../fault.ts";

/** kill -9 of all, then all are started again. */
export const restartEverything: Fault = {
  name: "restart-everything",
  text: "kill -9 of every NATS node, gateway and control plane; all start again on their disks",
  domain: "everything",
  holdMs: [0, 1000],
  mayCauseUnknown: true,
  isGatewayDeath: true,
  inject: async (world) => {
    const servers = [...world.gateways.map(({ server }) => server), world.controlPlane];
    await Promise.all([
      ...world.nats.nodes.map((node) => node.signal("SIGKILL")),
      ...servers.map((server) => server.end("SIGKILL")),
    ]);
    return {
      target: "all",
      heal: async () => {
        await Promise.all(world.nats.nodes.map((node) => node.start()));
        await world.untilNatsHealthy();
        await Promise.all(servers.map((server) => server.start()));
      },
    };
  },
};
