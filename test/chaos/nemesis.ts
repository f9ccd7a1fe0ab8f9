/**
 * Carries a plan out, and writes down what was broken from when to when.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nowUs } from "./clients/lines.ts";
import { Dice } from "./dice.ts";
import type { Domain } from "./fault.ts";
import type { FaultSpan } from "./history.ts";
import type { Plan, PlannedFault } from "./plan.ts";
import type { World } from "./world.ts";

export class Nemesis {
  readonly #world: World;
  readonly #say: (text: string) => void;
  /** What was broken, in the order of beginnings. */
  readonly spans: FaultSpan[] = [];
  /** Names of faults in force now. */
  readonly active = new Set<string>();
  /** Lines with a fault in force, and the one that waits for all to pause. */
  #busyCount = 0;
  #isAloneWanted = false;
  #changed = Promise.withResolvers<void>();

  /** @param say told of every fault and its end. */
  constructor(world: World, say: (text: string) => void) {
    this.#world = world;
    this.#say = say;
  }

  /** Runs every line until `endMs` (performance.now), and heals what it broke. */
  async run(plan: Plan, endMs: number): Promise<void> {
    const lines = Object.entries(plan) as [Domain, readonly PlannedFault[]][];
    await Promise.all(lines.map(([domain, planned]) => this.#runLine(domain, planned, endMs)));
  }

  async #runLine(domain: Domain, line: readonly PlannedFault[], endMs: number): Promise<void> {
    for (const planned of line) {
      await sleep(Math.max(0, Math.min(planned.restMs, endMs - performance.now())));
      if (performance.now() >= endMs) return;
      if (domain === "everything") await this.#alone(() => this.#run(planned, endMs));
      else await this.#beside(() => this.#run(planned, endMs));
    }
  }

  async #run({ fault, holdMs, seed }: PlannedFault, endMs: number): Promise<void> {
    if (performance.now() >= endMs) return; // it waited too long for its turn
    const { name, mayCauseUnknown, isGatewayDeath = false } = fault;
    const fromUs = nowUs();
    const injected = await fault.inject(this.#world, new Dice(seed));
    const { target } = injected;
    const label = `${name} ${target}`;
    this.active.add(label);
    this.#say(`${label}, for ${holdMs} ms`);
    // A fault longer than the rest of the run is the last one of its line.
    const leftMs = fault.isLong ? holdMs : Math.min(holdMs, endMs - performance.now());
    await sleep(Math.max(0, leftMs));
    await injected.heal();
    this.active.delete(label);
    const toUs = nowUs();
    this.spans.push({ name, target, fromUs, toUs, mayCauseUnknown, isGatewayDeath });
    this.#say(`${label} healed, ${Math.round((toUs - fromUs) / 1000)} ms after it began`);
  }

  /** With others, but not while one wants to be alone. */
  async #beside(action: () => Promise<void>): Promise<void> {
    while (this.#isAloneWanted) await this.#changed.promise;
    this.#busyCount += 1;
    try {
      await action();
    } finally {
      this.#busyCount -= 1;
      this.#notify();
    }
  }

  async #alone(action: () => Promise<void>): Promise<void> {
    this.#isAloneWanted = true;
    while (this.#busyCount > 0) await this.#changed.promise;
    try {
      await action();
    } finally {
      this.#isAloneWanted = false;
      this.#notify();
    }
  }

  #notify(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
