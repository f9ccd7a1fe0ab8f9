/**
 * What must be done between the renewal of a lease and the first publish after it (R12).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ResumeStep } from "../bus.ts";

/** A step gets this long, ms, then the lease is renewed again and all are called anew. */
const STEP_MS_MAX = 5000;

export class ResumeSteps {
  readonly #steps: ResumeStep[] = [];

  add(step: ResumeStep): void {
    this.#steps.push(step);
  }

  /** Calls each in turn; false as soon as one fails, or takes more than 5 s. */
  async run(isNew: boolean): Promise<boolean> {
    for (const step of this.#steps) if (!(await isDone(step(isNew)))) return false;
    return true;
  }
}

async function isDone(step: Promise<void>): Promise<boolean> {
  const timer = new AbortController();
  const late = sleep(STEP_MS_MAX, false, { ref: false, signal: timer.signal });
  // Whether it failed or was late, it is called again after the next renewal.
  const done = step.then(
    () => true,
    () => false,
  );
  const isInTime = await Promise.race([done, late]);
  late.catch(() => {}); // aborted, since it is not waited for any more
  timer.abort();
  return isInTime;
}
