/**
 * Waits until the machine has nothing else to do: a neighbour on the same two cores would make
 * every figure his.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { machineCpuUs } from "./proc.ts";

/** Share of one core that other processes may take. */
export const FOREIGN_MAX = 0.08;
/** How long is looked before a run. */
const LOOK_MS = 500;
/** Looks before the run begins whatever goes on, 20 s in all. */
const LOOKS_MAX = 40;

/** Returns when others took less than {@link FOREIGN_MAX} for half a second, or after 20 s. */
export async function awaitQuiet(say: (line: string) => void): Promise<void> {
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    const before = machineCpuUs();
    await sleep(LOOK_MS);
    if ((machineCpuUs() - before) / (LOOK_MS * 1000) < FOREIGN_MAX) return;
    if (look === 1) say("waiting: other processes use this machine");
  }
}
