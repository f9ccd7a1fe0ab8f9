/**
 * Faults of clients and their ways: cut, slow, half-open and frozen connections, and clients that
 * stand still themselves.
 */
import type { Dice } from "../dice.ts";
import type { Fault } from "../fault.ts";
import type { ChaosProxy } from "../proxy.ts";
import type { ClientSite, World } from "../world.ts";

/** Every client's connection is reset. */
export const clientCut: Fault = {
  name: "client-cut",
  text: "the connections of some clients are reset",
  domain: "client",
  holdMs: [0, 1500],
  mayCauseUnknown: true,
  inject: (world, dice) =>
    breakWays(world, dice, (way) => {
      way.refuse(true);
      way.cut();
    }),
};

/** 4 kB/s: less than the rooms say. */
export const clientSlow: Fault = {
  name: "client-slow",
  text: "the ways of some clients pass 4 kB a second",
  domain: "client",
  holdMs: [1000, 4000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakWays(world, dice, (way) => way.slow(4000)),
};

/** The gateway's end is gone, and the client is not told. */
export const clientHalfOpen: Fault = {
  name: "client-half-open",
  text: "the connections of some clients are half open: what they send vanishes",
  domain: "client",
  holdMs: [1000, 5000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakWays(world, dice, (way) => way.halfOpen()),
};

/** Bytes stay inside. */
export const clientFreeze: Fault = {
  name: "client-freeze",
  text: "the proxies of some clients stand still with bytes inside",
  domain: "client",
  holdMs: [1000, 6000],
  mayCauseUnknown: true,
  inject: (world, dice) => breakWays(world, dice, (way) => way.freeze()),
};

/** The same, longer than names are remembered. */
export const clientFreezeLong: Fault = {
  ...clientFreeze,
  name: "client-freeze-long",
  text: "the proxies of some clients stand still for longer than the window",
  isLong: true,
};

/** Publishes arrive, answers do not; then the connection is cut: every retry is a second copy. */
export const clientDeaf: Fault = {
  name: "client-deaf",
  text: "some clients' answers are held back, then their connections are cut",
  domain: "client",
  holdMs: [500, 2000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const sites = pickClients(world, dice);
    for (const { way } of sites) way.freeze("toClient");
    return {
      target: namesOf(sites),
      heal: async () => {
        for (const { way } of sites) {
          way.cut();
          way.heal();
        }
      },
    };
  },
};

/** A client's process stands still: a laptop lid. */
export const clientStall: Fault = {
  name: "client-stall",
  text: "a client's process stands still and goes on (SIGSTOP, SIGCONT)",
  domain: "client",
  holdMs: [1000, 5000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const site = dice.pick(world.clients);
    site.process?.freeze();
    return { target: site.name, heal: async () => site.process?.thaw() };
  },
};

function pickClients(world: World, dice: Dice): ClientSite[] {
  const sites = dice.shuffle(world.clients);
  return sites.slice(0, dice.between(1, sites.length));
}

async function breakWays(world: World, dice: Dice, act: (way: ChaosProxy) => void) {
  const sites = pickClients(world, dice);
  for (const { way } of sites) act(way);
  return {
    target: namesOf(sites),
    heal: async () => {
      for (const { way } of sites) way.heal();
    },
  };
}

function namesOf(sites: readonly ClientSite[]): string {
  return sites
    .map(({ name }) => name)
    .sort()
    .join(" ");
}
