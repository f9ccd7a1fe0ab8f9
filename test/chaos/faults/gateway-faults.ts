/**
 * Faults of gateways: processes that die, freeze and stop, and their ways to NATS.
 */
import type { Dice } from "../dice.ts";
import type { Fault } from "../fault.ts";
import type { ChaosProxy } from "../proxy.ts";
import type { GatewaySite, World } from "../world.ts";

/** kill -9; started again under its name. */
export const gatewayKill: Fault = {
  name: "gateway-kill",
  text: "kill -9 of a gateway, started again under its name",
  domain: "gateway",
  holdMs: [200, 3000],
  mayCauseUnknown: true,
  isGatewayDeath: true,
  inject: (world, dice) => endGateway(pickGateway(world, dice), "SIGKILL"),
};

/** SIGTERM; started again. */
export const gatewayRestart: Fault = {
  name: "gateway-restart",
  text: "a gateway is stopped in order and started again",
  domain: "gateway",
  holdMs: [200, 2000],
  mayCauseUnknown: true,
  isGatewayDeath: true,
  inject: (world, dice) => endGateway(pickGateway(world, dice), "SIGTERM"),
};

/** SIGSTOP, then SIGCONT. */
export const gatewayFreeze: Fault = {
  name: "gateway-freeze",
  text: "a gateway stands still and goes on (SIGSTOP, SIGCONT)",
  domain: "gateway",
  holdMs: [1000, 6000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const { server } = pickGateway(world, dice);
    server.freeze();
    return { target: server.name, heal: async () => server.thaw() };
  },
};

/** The same, longer than names are remembered. */
export const gatewayFreezeLong: Fault = {
  ...gatewayFreeze,
  name: "gateway-freeze-long",
  text: "a gateway stands still for longer than the de-duplication window",
  isLong: true,
};

/** Its connection to NATS is reset. */
export const busCut: Fault = {
  name: "bus-cut",
  text: "a gateway's connection to NATS is reset, and refused for a while",
  domain: "gateway",
  holdMs: [0, 3000],
  mayCauseUnknown: true,
  inject: (world, dice) =>
    breakBus(pickGateway(world, dice), (way) => {
      way.refuse(true);
      way.cut();
    }),
};

/** 20 kB/s to and from NATS. */
export const busSlow: Fault = {
  name: "bus-slow",
  text: "a gateway's way to NATS passes 20 kB a second",
  domain: "gateway",
  holdMs: [1000, 4000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakBus(pickGateway(world, dice), (way) => way.slow(20_000)),
};

/** NATS is gone, and the gateway is not told. */
export const busHalfOpen: Fault = {
  name: "bus-half-open",
  text: "a gateway's way to NATS is half open: what it sends vanishes",
  domain: "gateway",
  holdMs: [1000, 5000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakBus(pickGateway(world, dice), (way) => way.halfOpen()),
};

/** The bytes of its way to NATS stay inside. */
export const busFreeze: Fault = {
  name: "bus-freeze",
  text: "a proxy between a gateway and NATS stands still with bytes inside",
  domain: "gateway",
  holdMs: [1000, 6000],
  mayCauseUnknown: true,
  inject: (world, dice) => {
    const site = pickGateway(world, dice);
    // One way only: the gateway goes to another node, and its old bytes come late.
    const used = site.ways.filter((way) => way.linkCount > 0);
    return breakBus({ ...site, ways: used }, (way) => way.freeze());
  },
};

/** The same, longer than names are remembered. */
export const busFreezeLong: Fault = {
  ...busFreeze,
  name: "bus-freeze-long",
  text: "a proxy between a gateway and NATS stands still for longer than the window",
  isLong: true,
};

function pickGateway(world: World, dice: Dice): GatewaySite {
  return dice.pick(world.gateways);
}

async function endGateway({ server }: GatewaySite, signal: "SIGKILL" | "SIGTERM") {
  await server.end(signal);
  return { target: server.name, heal: () => server.start() };
}

async function breakBus({ server, ways }: GatewaySite, act: (way: ChaosProxy) => void) {
  for (const way of ways) act(way);
  return {
    target: server.name,
    heal: async () => {
      for (const way of ways) way.heal();
    },
  };
}
