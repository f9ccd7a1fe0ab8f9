/**
 * Slots that move while everything else goes on, and what breaks naive moves: movers that die or
 * stand still inside one and act late, old owners whose leader stands still, shards that are new.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { roomAddress } from "../../../bus/subjects.ts";
import { SlotRoute } from "../../../proto/gen/tidegate/bus/v1/slot_route.ts";
import type { Dice } from "../dice.ts";
import type { Fault, Injected } from "../fault.ts";
import {
  listUpdate,
  type MessageTest,
  type MoveEnd,
  type Mover,
  marker,
  recordWrite,
} from "../mover.ts";
import type { World } from "../world.ts";

/** Rooms of a run are in four shards at first; so many are there at most, with those made in it. */
const SHARD_COUNT_MAX = 8;
/** The next mover tries so often: the lock of one that is silent is free after 10 s. */
const TRY_COUNT_MAX = 8;

/** NATS is asked again after this, ms. */
const RETRY_MS = 250;

/** A move of one slot. */
interface Move {
  readonly slot: number;
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
}

/** Nothing is broken by it: a move is to be unseen. */
export const slotMove: Fault = {
  name: "slot-move",
  text: "the slots of some rooms move to random shards",
  domain: "moves",
  holdMs: [0, 300],
  mayCauseUnknown: false,
  inject: async (world, dice) => {
    const mover = await world.mover("mover-a");
    const moves = await Promise.all(
      Array.from({ length: dice.between(1, 3) }, () => pickMove(world, dice)),
    );
    const ends = moves.map(({ slot, to }) => mover.move(slot, to));
    return { target: formatMoves(moves), heal: async () => void (await Promise.all(ends)) };
  },
};

/** One more shard, to which slots move from then on. */
export const shardCreate: Fault = {
  name: "shard-create",
  text: "a shard is made, as long as there are few; slots move there later",
  domain: "moves",
  holdMs: [0, 300],
  mayCauseUnknown: false,
  inject: async (world) => {
    const shards = await untilAnswered(() => listShards(world));
    if (shards.length >= SHARD_COUNT_MAX) return { target: "none", heal: async () => {} };
    const said = await (await world.mover("mover-a")).createShard();
    const target = said === "done" ? `beside ${shards.length} shards` : "refused";
    return { target, heal: () => world.untilNatsHealthy() };
  },
};

/** kill -9 of a mover at any step; what it was about to do is done later. */
export const moverKill: Fault = {
  name: "mover-kill",
  text: "a mover is killed at some step of a move, and its next message to NATS comes late",
  domain: "moves",
  holdMs: [300, 6000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const mover = await world.mover("mover-a");
    const move = await pickMove(world, dice, true);
    const isHeld = await moveUpTo(mover, move, dice.pick(steps(move)));
    await world.endMover("mover-a");
    const late = dice.pick(world.nats.urls);
    return {
      target: `${formatMoves([move])}${isHeld ? "" : ", not begun"}`,
      // A node that is down takes nothing.
      heal: () => mover.deliverLate(late).catch(() => {}),
    };
  },
};

/** SIGSTOP of a mover in step 2, until the next one has moved the slot. */
export const moverFreeze: Fault = {
  name: "mover-freeze",
  text: "a mover stands still before the removal (SIGSTOP), until another has moved the slot",
  domain: "moves",
  holdMs: [500, 3000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const mover = await world.mover("mover-a");
    const next = await world.mover("mover-b");
    const move = await pickMove(world, dice, true);
    await moveUpTo(mover, move, listUpdate(move.from));
    mover.freeze();
    return {
      target: formatMoves([move]),
      heal: async () => {
        let end: MoveEnd = "killed";
        for (let turn = 0; turn < TRY_COUNT_MAX && end !== "done"; turn += 1) {
          end = await next.move(move.slot, move.to);
        }
        mover.thaw();
        mover.release();
      },
    };
  },
};

/** SIGSTOP of the old stream's leader between the seal and the removal. */
export const oldLeaderFreeze: Fault = {
  name: "old-leader-freeze",
  text: "the leader of a slot's stream stands still (SIGSTOP) while the slot leaves it",
  domain: "nats",
  holdMs: [1000, 5000],
  mayCauseUnknown: true,
  inject: async (world, dice) => {
    const mover = await world.mover("mover-n");
    const move = await pickMove(world, dice, true);
    await moveUpTo(mover, move, listUpdate(move.from));
    const { cluster } = await untilAnswered(async () => {
      const manager = await jetstreamManager(world.admin, { checkAPI: false });
      return manager.streams.info(`TG_${move.from}`);
    });
    const leader = cluster?.leader;
    const node = world.nats.nodes.find(({ options }) => options.name === leader);
    await node?.signal("SIGSTOP");
    mover.release();
    return {
      target: `${leader}, ${formatMoves([move])}`,
      heal: async (): Promise<void> => {
        await node?.signal("SIGCONT");
        await world.untilNatsHealthy();
      },
    } satisfies Injected;
  },
};

/** Every message of a move that it can die before. */
function steps({ slot, epoch, from, to }: Move): MessageTest[] {
  return [
    listUpdate(to),
    recordWrite(slot, 1),
    recordWrite(slot, 2),
    listUpdate(from),
    marker(from, slot, epoch),
    recordWrite(slot, 3),
  ];
}

/** @returns whether it is held there; else the move was refused, or is done. */
async function moveUpTo(mover: Mover, { slot, to }: Move, before: MessageTest): Promise<boolean> {
  const isHeld = mover.stopBefore(before).then(() => true);
  return Promise.race([isHeld, mover.move(slot, to).then(() => false)]);
}

/** @param isElsewhere whether it must be another shard than its own. */
async function pickMove(world: World, dice: Dice, isElsewhere = false): Promise<Move> {
  const { slot } = roomAddress("default", dice.pick(world.movedRooms));
  const shards = await untilAnswered(() => listShards(world));
  const entry = await untilAnswered(async () => {
    const kv = await new Kvm(jetstream(world.admin)).open("control");
    return kv.get(`slot.0-${slot}`);
  });
  const record = entry === null ? null : SlotRoute.decode(entry.value);
  const from = record?.shard ?? slot % 4;
  const to = dice.pick(shards.filter((shard) => !isElsewhere || shard !== from));
  return { slot, epoch: record?.epoch ?? 1, from, to };
}

async function listShards(world: World): Promise<number[]> {
  const manager = await jetstreamManager(world.admin, { checkAPI: false });
  const shards: number[] = [];
  for await (const { config } of manager.streams.list()) {
    if (config.name.startsWith("TG_")) shards.push(Number(config.name.slice("TG_".length)));
  }
  return shards.sort((a, b) => a - b);
}

/** NATS may be broken right now by another line of faults, which mends it. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await sleep(RETRY_MS);
    }
  }
}

function formatMoves(moves: readonly Move[]): string {
  return moves.map(({ slot, from, to }) => `${slot}: ${from} to ${to}`).join(", ");
}
