/**
 * Faults of NATS: nodes that die, freeze, leave, start again, and streams that change leaders.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsNode } from "../../../deploy/nats/node.ts";
import type { Fault, Injected } from "../fault.ts";
import type { World } from "../world.ts";

/** kill -9; started again on its disk. */
export const natsKill: Fault = {
  name: "nats-kill",
  text: "kill -9 of a NATS node, started again on its disk",
  domain: "nats",
  holdMs: [500, 4000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakNode(world, dice.pick(world.nats.nodes), "SIGKILL"),
};

/** SIGTERM; started again. */
export const natsRestart: Fault = {
  name: "nats-restart",
  text: "a NATS node is stopped in order and started again",
  domain: "nats",
  holdMs: [200, 2000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakNode(world, dice.pick(world.nats.nodes), "SIGTERM"),
};

/** SIGUSR2: clients are asked to leave; ended before it ends by itself. */
export const natsLameDuck: Fault = {
  name: "nats-lame-duck",
  text: "a NATS node enters lame duck mode, then ends and is started again",
  domain: "nats",
  holdMs: [2000, 5000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const node = dice.pick(world.nats.nodes);
    await node.signal("SIGUSR2");
    return {
      target: node.options.name,
      heal: async () => {
        await node.signal("SIGKILL");
        await node.start();
        await world.untilNatsHealthy();
      },
    };
  },
};

/** SIGSTOP, then SIGCONT. */
export const natsFreeze: Fault = {
  name: "nats-freeze",
  text: "a NATS node stands still and goes on (SIGSTOP, SIGCONT)",
  domain: "nats",
  holdMs: [1000, 6000],
  mayCauseUnknown: true,
  inject: (world, dice) => freezeNode(world, dice.pick(world.nats.nodes)),
};

/** The same, longer than names are remembered. */
export const natsFreezeLong: Fault = {
  ...natsFreeze,
  name: "nats-freeze-long",
  text: "a NATS node stands still for longer than the de-duplication window",
  isLong: true,
};

/** A stream's leader steps down: the mildest fault there is. */
export const stepDown: Fault = {
  name: "step-down",
  text: "the leader of a shard's stream steps down",
  domain: "nats",
  holdMs: [0, 500],
  // Between two leaders a publish may find none while a later one finds the next: overtaken (R3).
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const manager = await jetstreamManager(world.admin);
    const names: string[] = [];
    for await (const { config } of manager.streams.list()) names.push(config.name);
    const stream = dice.pick(names.filter((name) => name.startsWith("TG_")).sort());
    await world.admin.request(`$JS.API.STREAM.LEADER.STEPDOWN.${stream}`, "", { timeout: 5000 });
    return { target: stream, heal: () => world.untilNatsHealthy() };
  },
};

async function breakNode(
  world: World,
  node: NatsNode,
  signal: "SIGKILL" | "SIGTERM",
): Promise<Injected> {
  await node.signal(signal);
  return {
    target: node.options.name,
    heal: async () => {
      await node.start();
      await world.untilNatsHealthy();
    },
  };
}

async function freezeNode(world: World, node: NatsNode): Promise<Injected> {
  await node.signal("SIGSTOP");
  return {
    target: node.options.name,
    heal: async () => {
      await node.signal("SIGCONT");
      await world.untilNatsHealthy();
    },
  };
}
