/**
 * The end of a run: waits until everything owed has come, and gathers the history.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { publishLimits } from "../../bus/void.ts";
import type { ConsumerProcess, ProducerProcess } from "./client-process.ts";
import type { FaultSpan, History } from "./history.ts";
import { readStored } from "./stored.ts";
import type { World } from "./world.ts";

/** What is owed must come; when nothing has come for so long, ms (R8: 20 s), it is missing. */
const SETTLE_MS_MAX = 40_000;
/** Then this long nothing more may come, ms: a doubled message needs a moment to show. */
const AFTER_MS = 1500;
/** Looks at what is still owed this often, ms. */
const LOOK_MS = 250;

/** What ran. */
export interface Ran {
  readonly world: World;
  readonly producers: readonly ProducerProcess[];
  readonly consumers: readonly ConsumerProcess[];
  readonly durable: readonly string[];
  readonly ephemeral: readonly string[];
  readonly faults: readonly FaultSpan[];
  /** De-duplication window, ms. */
  readonly windowMs: number;
}

/** Ends the producers, waits for what they published, and returns all that happened. */
export async function settle(ran: Ran, say: (text: string) => void): Promise<History> {
  const { world, producers, consumers, durable, ephemeral, faults } = ran;
  await Promise.all(producers.map((producer) => producer.stop()));
  say("every publish has ended; waiting until everything owed has come");
  const { voidAfterUs } = publishLimits(ran.windowMs * 1000);
  const stored = await readStored(world.admin, durable, voidAfterUs);
  const shown = stored.filter(({ isVoid }) => !isVoid);
  const owed = new Map(Map.groupBy(shown, ({ room }) => room).entries());
  let receivedCount = 0;
  let endMs = performance.now() + SETTLE_MS_MAX;
  const isOwing = () =>
    consumers.some((consumer) =>
      consumer.history.rooms.some((room) => consumer.countOf(room) < (owed.get(room)?.length ?? 0)),
    );
  while (isOwing() && performance.now() < endMs) {
    const counts = consumers.flatMap(({ countOf }) => durable.map(countOf));
    const count = counts.reduce((sum, ofRoom) => sum + ofRoom, 0);
    // A slow consumer has a backlog to read.
    if (count > receivedCount) endMs = performance.now() + SETTLE_MS_MAX;
    receivedCount = count;
    await sleep(LOOK_MS);
  }
  await sleep(AFTER_MS);
  const failures = [...producers, ...consumers].flatMap(({ process }) =>
    process.failure === null ? [] : [process.failure.message],
  );
  return {
    durableRooms: durable,
    ephemeralRooms: ephemeral,
    publishes: producers.flatMap(({ publishes }) => publishes),
    producerAbsences: Object.fromEntries(producers.map(({ name, absences }) => [name, absences])),
    consumers: consumers.map(({ history }) => history),
    stored: await readStored(world.admin, durable, voidAfterUs),
    faults,
    deaths: [...world.deaths, ...failures],
  };
}
