/**
 * The publish lane (R3) between an honest client and a bus that fails: acknowledged publishes are
 * stored in the producer's order, everything is answered exactly once, and the lane comes to rest.
 *
 * The simulation is a list of steps that fast-check shrinks. Two buses: one that refuses everything
 * appended before its caller heard of a refusal (embedded), and one that fails each append for
 * itself (as timeouts over a network do). A lane that retries freely is shown to break the order on
 * both.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AppendAck } from "../../bus/bus.ts";
import { PUBLISH_LIMITS } from "../../bus/void.ts";
import { type LaneEffects, type LaneEntry, PublishLane } from "../../gateway/publish-lane.ts";
import { CodedError } from "../../proto/coded-error.ts";

interface Entry extends LaneEntry {
  /** Counts connections of the client: answers to earlier ones reach nobody. */
  readonly connection: number;
}

/** What a lane can do; also the broken one. */
interface Lane {
  submit(entry: Entry, nowUs: number): void;
  settle(entry: Entry, error: CodedError | null, ack: AppendAck | null, nowUs: number): void;
  retry(nowUs: number): void;
  isIdle(nowUs: number): boolean;
}
type NewLane = (effects: LaneEffects<Entry>) => Lane;

/** Negative control: sends a failed publish again at once, past what is in flight. */
class FreeLane implements Lane {
  readonly #effects: LaneEffects<Entry>;
  constructor(effects: LaneEffects<Entry>) {
    this.#effects = effects;
  }
  submit(entry: Entry): void {
    this.#effects.append(entry);
  }
  settle(entry: Entry, error: CodedError | null, ack: AppendAck | null): void {
    if (error?.info.retry === "same") this.#effects.append(entry);
    else this.#effects.answer(entry, error, ack);
  }
  retry(): void {}
  isIdle(): boolean {
    return true;
  }
}

type Step =
  | { readonly do: "send"; readonly count: number }
  | { readonly do: "settle"; readonly fate: Fate }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "hear" }
  | { readonly do: "break" };
type Fate =
  | "stored"
  | "refused"
  | "unconfirmed-stored"
  | "unconfirmed-lost"
  | "final"
  | "unknown-stored"
  | "unknown-lost";

/** Publishes that the client has unanswered at most. */
const window = 8;

class Simulation {
  nowUs = 1_000_000_000;
  /** Producer seqs as stored, each once. */
  readonly stored: number[] = [];
  readonly acked: number[] = [];
  answerCount = 0;
  submitCount = 0;
  inFlightMax = 0;
  /** Answers that deny a publish of which a try may have been stored. */
  deniedCount = 0;
  /** Appends while another was in flight and a failed one was not settled yet. */
  rushedCount = 0;
  readonly lane: Lane;
  readonly #isFenced: boolean;
  readonly #inFlight: { entry: Entry; isFenced: boolean }[] = [];
  readonly #failed = new Set<Entry>();
  readonly #final = new Set<number>();
  readonly #uncertain = new Set<Entry>();
  #retryAtUs = 0;
  readonly #answered = new Set<Entry>();
  readonly #onTheWay: { entry: Entry; isToResend: boolean }[] = [];
  // The client.
  #connection = 1;
  #seq = 0;
  readonly #firstSentUs = new Map<number, number>();
  readonly #unanswered = new Set<number>();
  readonly #toResend = new Set<number>();

  constructor(newLane: NewLane, isFenced: boolean) {
    this.#isFenced = isFenced;
    this.lane = newLane({
      append: (entry) => this.#append(entry),
      answer: (entry, error) => this.#answer(entry, error),
      retryLater: () => {
        this.#retryAtUs = this.nowUs + 100_000;
      },
    });
  }

  run(step: Step): void {
    switch (step.do) {
      case "send":
        for (let i = 0; i < step.count; i += 1) this.#sendNew();
        break;
      case "settle":
        this.#settle(step.fate);
        break;
      case "wait":
        this.nowUs += step.ms * 1000;
        this.#fireRetry();
        break;
      case "break": // unanswered: all of it; and a new connection
        this.#connection += 1;
        for (const seq of this.#unanswered) this.#toResend.add(seq);
        this.#unanswered.clear();
        break;
      case "hear":
        this.#hear();
        break;
      default:
        step satisfies never;
    }
    this.#resend();
  }

  /** Everything goes well from now on, until nothing is left to do. */
  finish(): void {
    for (let i = 0; i < 10_000; i += 1) {
      this.run({ do: "settle", fate: "stored" });
      this.run({ do: "wait", ms: 100 });
      this.run({ do: "hear" });
      const isDone = this.#unanswered.size === 0 && this.#toResend.size === 0;
      if (isDone && this.#inFlight.length === 0 && this.#retryAtUs === 0) return;
    }
    throw new Error("the lane does not come to rest");
  }

  #sendNew(): void {
    if (this.#toResend.size > 0 || this.#unanswered.size >= window) return;
    this.#seq += 1;
    this.#firstSentUs.set(this.#seq, this.nowUs);
    this.#submit(this.#seq);
  }

  /** The failed ones, one by one, in order, once everything is answered. */
  #resend(): void {
    while (this.#toResend.size > 0 && this.#unanswered.size === 0) {
      const seq = Math.min(...this.#toResend);
      this.#toResend.delete(seq);
      const isLate = this.nowUs - (this.#firstSentUs.get(seq) ?? 0) > PUBLISH_LIMITS.budgetUs;
      if (!isLate) this.#submit(seq);
    }
  }

  #submit(producerSeq: number): void {
    this.submitCount += 1;
    this.#unanswered.add(producerSeq);
    const firstSentUs = this.#firstSentUs.get(producerSeq) ?? 0;
    const entry = { producerSeq, firstSentUs, startedUs: this.nowUs, connection: this.#connection };
    this.lane.submit(entry, this.nowUs);
  }

  #answer(entry: Entry, error: CodedError | null): void {
    this.answerCount += 1;
    this.#failed.delete(entry);
    if (error === null) this.acked.push(entry.producerSeq);
    const isDenied = error?.info.retry === "same";
    if (isDenied && this.#uncertain.has(entry)) this.deniedCount += 1;
    if (this.#answered.has(entry)) throw new Error("answered twice");
    this.#answered.add(entry);
    this.#onTheWay.push({ entry, isToResend: error?.info.retry === "same" });
  }

  /** The client reads the answers that are on their way; until then it has gone on sending. */
  #hear(): void {
    for (const { entry, isToResend } of this.#onTheWay.splice(0)) {
      if (entry.connection !== this.#connection) continue;
      this.#unanswered.delete(entry.producerSeq);
      if (isToResend) this.#toResend.add(entry.producerSeq);
    }
  }

  #append(entry: Entry): void {
    if (this.#failed.size > 0 && this.#inFlight.length > 0) this.rushedCount += 1;
    this.#failed.delete(entry);
    this.#inFlight.push({ entry, isFenced: false });
    this.inFlightMax = Math.max(this.inFlightMax, this.#inFlight.length);
  }

  #settle(fate: Fate): void {
    const next = this.#inFlight.shift();
    if (next === undefined) return;
    const { entry, isFenced } = next;
    const { producerSeq: seq } = entry;
    const isDuplicate = this.stored.includes(seq);
    const decided = this.#final.has(seq) ? "final" : isFenced ? "refused" : fate;
    const actual = decided === "final" && isDuplicate ? "stored" : decided;
    if (actual === "final") this.#final.add(seq); // too large once is too large always
    if (actual === "stored" || actual.endsWith("-stored")) {
      if (!isDuplicate) this.stored.push(seq);
    }
    if (actual === "stored") {
      const place = 1 + this.stored.indexOf(seq);
      this.lane.settle(entry, null, { epoch: 1, seq: place, timeUs: 1, isDuplicate }, this.nowUs);
      return;
    }
    const isUnconfirmed = actual.startsWith("unconfirmed");
    if (isUnconfirmed) this.#uncertain.add(entry);
    if (actual === "refused" || isUnconfirmed) {
      this.#failed.add(entry);
      if (this.#isFenced) for (const each of this.#inFlight) each.isFenced = true;
    }
    const code =
      actual === "refused"
        ? "UNAVAILABLE"
        : isUnconfirmed
          ? "UNCONFIRMED"
          : actual === "final"
            ? "PAYLOAD_TOO_LARGE"
            : "OUTCOME_UNKNOWN";
    this.lane.settle(entry, new CodedError(code, "for the test"), null, this.nowUs);
  }

  #fireRetry(): void {
    if (this.#retryAtUs === 0 || this.nowUs < this.#retryAtUs) return;
    this.#retryAtUs = 0;
    this.lane.retry(this.nowUs);
  }
}

const settles = (...rare: Fate[]) =>
  fc.record({
    do: fc.constant("settle" as const),
    fate: fc.oneof(
      { weight: 6, arbitrary: fc.constant<Fate>("stored") },
      { weight: 5, arbitrary: fc.constant<Fate>("refused") },
      { weight: 2, arbitrary: fc.constantFrom<Fate>("unconfirmed-stored", "unconfirmed-lost") },
      fc.constantFrom<Fate>("final", "unknown-stored", ...rare),
    ),
  });
const sends = fc.record({
  do: fc.constant("send" as const),
  count: fc.integer({ min: 1, max: 5 }),
});
const waits = fc.record({
  do: fc.constant("wait" as const),
  ms: fc.oneof(fc.constant(100), fc.constantFrom(1, 2100, 21_000)),
});
const hears = fc.record({ do: fc.constant("hear" as const) });
const calm: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: sends },
  { weight: 9, arbitrary: settles("unknown-lost") },
  { weight: 3, arbitrary: waits },
  { weight: 4, arbitrary: hears },
);
// With breaks no publish ends unknown and lost: its answer could be lost too, and the client would
// send it again after a later one was stored. Nothing but a memory of all names could keep the
// order then.
const stormy: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: sends },
  { weight: 9, arbitrary: settles() },
  { weight: 3, arbitrary: waits },
  { weight: 4, arbitrary: hears },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break" as const) }) },
);

function simulate(newLane: NewLane, isFenced: boolean, steps: readonly Step[]): Simulation {
  const simulation = new Simulation(newLane, isFenced);
  for (const step of steps) simulation.run(step);
  simulation.finish();
  return simulation;
}

/** Where acknowledged publishes were stored out of the producer's order. */
function misordered({ stored, acked }: Simulation): number[] {
  const ofAcked = stored.filter((seq) => acked.includes(seq));
  return ofAcked.filter((seq, i) => i > 0 && seq < (ofAcked[i - 1] ?? 0));
}

const buses = [
  { name: "a bus that fences", isFenced: true, steps: fc.array(stormy, { maxLength: 80 }) },
  {
    name: "a bus that fails each for itself",
    isFenced: false,
    steps: fc.array(calm, { maxLength: 80 }),
  },
];
const newLane: NewLane = (effects) => new PublishLane(effects, PUBLISH_LIMITS);
const runs = { numRuns: 3000, seed: 20_261_122 };

describe.each(buses)("PublishLane on $name", ({ isFenced, steps }) => {
  test("acknowledged publishes are stored, once, in the producer's order", () => {
    fc.assert(
      fc.property(steps, (each) => {
        const simulation = simulate(newLane, isFenced, each);
        expect(misordered(simulation)).toEqual([]);
        for (const seq of simulation.acked) expect(simulation.stored).toContain(seq);
      }),
      runs,
    );
  });

  test("everything is answered exactly once, nothing rushes past a failure, and the lane rests", () => {
    let retried = 0;
    fc.assert(
      fc.property(steps, (each) => {
        const simulation = simulate(newLane, isFenced, each);
        expect(simulation.answerCount).toBe(simulation.submitCount);
        expect(simulation.rushedCount).toBe(0);
        expect(simulation.deniedCount).toBe(0);
        expect(simulation.lane.isIdle(simulation.nowUs + PUBLISH_LIMITS.budgetUs)).toBe(true);
        if (simulation.acked.length > 0) retried += 1;
      }),
      runs,
    );
    expect(retried).toBeGreaterThan(1000);
  });

  test("a lane that retries freely breaks the order: the property can fail", () => {
    const broken = fc.check(
      fc.property(steps, (each) => {
        expect(misordered(simulate((effects) => new FreeLane(effects), isFenced, each))).toEqual(
          [],
        );
      }),
      runs,
    );
    expect(broken.failed).toBe(true);
  });
});
