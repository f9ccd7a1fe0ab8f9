/**
 * The clients of a run: who publishes where and how often, and who listens how.
 *
 * Busy rooms show order, quiet ones show tails: in a quiet room nothing follows that could tell of
 * a missing message. Load is small on purpose: faults find mistakes, load hides them.
 */
import { existsSync } from "node:fs";
import { ConsumerProcess, type Language, ProducerProcess, PYTHON } from "./client-process.ts";
import type { ClockSkew, ProducerRoom } from "./clients/lines.ts";
import { ROOM_CLASS, type World } from "./world.ts";

/** Wall clocks days off and monotonic ones 5 in 1000: worse than any quartz. */
const EARLY: ClockSkew = { wallMs: -86_400_000, rate: 1.005 };
const LATE: ClockSkew = { wallMs: 3_600_000, rate: 0.995 };

/** Rooms of a run. */
export interface RunRooms {
  readonly durable: readonly string[];
  readonly ephemeral: readonly string[];
}

/** Who takes part. */
export interface Crew {
  readonly producers: readonly ProducerProcess[];
  readonly consumers: readonly ConsumerProcess[];
  readonly rooms: RunRooms;
}

const busy = ["a", "b", "c"].map((name) => `${ROOM_CLASS}:busy-${name}`);
const quiet = ["a", "b", "c"].map((name) => `${ROOM_CLASS}:quiet-${name}`);
const ephemeral = ["live:a", "live:b"];

/** Messages a second of one producer in a room of each kind. */
const RATES = { busy: 15, quiet: 0.3, ephemeral: 10 } as const;

interface Member {
  readonly name: string;
  readonly language: Language;
  readonly skew?: ClockSkew;
  readonly stallMs?: number;
  readonly moveMs?: number;
}

const producers: readonly Member[] = [
  { name: "p-node", language: "typescript" },
  { name: "p-early", language: "typescript", skew: EARLY },
  { name: "p-python", language: "python", skew: LATE },
];

const consumers: readonly Member[] = [
  { name: "c-node", language: "typescript" },
  { name: "c-python", language: "python" },
  { name: "c-slow", language: "typescript", stallMs: 700, skew: LATE },
  { name: "c-moving", language: "typescript", moveMs: 4000 },
];

/** Starts the clients; resolves when all have joined. Without Python its clients are left out. */
export async function startCrew(world: World): Promise<Crew> {
  world.movedRooms = [...busy, ...quiet];
  const isHere = ({ language }: Member) => language === "typescript" || existsSync(PYTHON);
  const listening = await Promise.all(
    consumers.filter(isHere).map(async (member) => {
      const { name, language, skew = null, stallMs = 0, moveMs = 0 } = member;
      const site = await world.addClient(name);
      // What is said while it moves is not missed but never joined: ephemeral rooms without it.
      const rooms = [...busy, ...quiet, ...(moveMs > 0 ? [] : ephemeral)];
      const work = { name, url: world.urlOf(site), skew, rooms, stallMs, moveMs };
      const consumer = new ConsumerProcess(language, work);
      site.process = consumer.process;
      return consumer;
    }),
  );
  const publishing = await Promise.all(
    producers.filter(isHere).map(async ({ name, language, skew = null }) => {
      const site = await world.addClient(name);
      const work = { name, url: world.urlOf(site), skew, rooms, bytes: 40, largeBytes: 8000 };
      const producer = new ProducerProcess(language, work);
      site.process = producer.process;
      return producer;
    }),
  );
  await Promise.all([...listening, ...publishing].map((member) => member.ready()));
  const names = { durable: [...busy, ...quiet], ephemeral };
  return { producers: publishing, consumers: listening, rooms: names };
}

const rooms: readonly ProducerRoom[] = [
  ...busy.map((name) => ({ name, isDurable: true, perSecond: RATES.busy })),
  ...quiet.map((name) => ({ name, isDurable: true, perSecond: RATES.quiet })),
  ...ephemeral.map((name) => ({ name, isDurable: false, perSecond: RATES.ephemeral })),
];
