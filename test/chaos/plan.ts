/**
 * The plan of a run: which faults, in which order, for how long, from a seed.
 *
 * Pure. Each domain has its own line of faults, one after the other; the lines run side by side.
 * What takes longer than planned (a slow election) moves the rest of its line.
 */
import { Dice } from "./dice.ts";
import { DOMAINS, type Domain, type Fault } from "./fault.ts";

/** Rest between two faults of a line, ms: least and most. */
const REST_MS = [300, 2500] as const;
/** Rough cost of a fault beyond its hold (elections, restarts), ms: for the length of the plan. */
const HEAL_MS = 1500;

/** One step of a line. */
export interface PlannedFault {
  readonly fault: Fault;
  /** Wait after the fault before. */
  readonly restMs: number;
  readonly holdMs: number;
  /** Of the dice that choose its target. */
  readonly seed: number;
}

/** What is planned for each domain. */
export type Plan = Readonly<Record<Domain, readonly PlannedFault[]>>;

/** What a plan is made of. */
export interface PlanWish {
  readonly seed: number;
  /** Time in which faults begin, ms. */
  readonly totalMs: number;
  readonly faults: readonly Fault[];
  /** How long a long freeze is, ms. */
  readonly longMs: number;
}

/**
 * Plans a run. Each line goes through its faults in rounds, each round in another order, so that
 * every fault comes up once before one comes up twice.
 */
export function planFaults({ seed, totalMs, faults, longMs }: PlanWish): Plan {
  const dice = new Dice(seed);
  const lines = DOMAINS.map((domain) => {
    const own = faults.filter((fault) => fault.domain === domain);
    // Everything stops for this one, so it comes once a minute, and once at least.
    const isAlone = domain === "everything";
    const countMax = isAlone ? Math.max(1, Math.floor(totalMs / 60_000)) : Number.POSITIVE_INFINITY;
    const planned: PlannedFault[] = [];
    let round: Fault[] = [];
    let usedMs = 0;
    while (own.length > 0 && usedMs < totalMs && planned.length < countMax) {
      if (round.length === 0) round = dice.shuffle(own);
      const fault = round.pop();
      if (fault === undefined) break;
      const restMs = isAlone ? totalMs / (countMax + 1) : dice.between(...REST_MS);
      const [least, most] = fault.holdMs;
      const holdMs = fault.isLong ? longMs : dice.between(least, most);
      planned.push({ fault, restMs, holdMs, seed: dice.between(0, 2 ** 31) });
      usedMs += restMs + holdMs + HEAL_MS;
    }
    return [domain, planned] as const;
  });
  return Object.fromEntries(lines) as Record<Domain, PlannedFault[]>;
}
