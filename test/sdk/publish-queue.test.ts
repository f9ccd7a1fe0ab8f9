/** R3: whatever fails, acknowledged publishes are stored once and in the order of the calls. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TidegateError } from "../../sdk/typescript/error.ts";
import {
  type PublishItem,
  PublishQueue,
  publishError,
} from "../../sdk/typescript/publish-queue.ts";

const refusal = new TidegateError("UNAVAILABLE", "scripted");

interface Item extends PublishItem {
  readonly n: number;
}

let count = 0;
function makeItem(needsAck = true, addedAtMs = 0): Item {
  count += 1;
  const payload = new Uint8Array(0);
  return {
    n: count,
    payload,
    traceparent: "",
    needsAck,
    addedAtMs,
    seq: 0,
    firstSentUs: 0,
    isUncertain: false,
    error: null,
  };
}

/** Writes all that may be written; returns the request ids used. */
function pump(queue: PublishQueue<Item>, nextId: () => number, nowMs = 0): Item[] {
  const sent: Item[] = [];
  for (let item = queue.next(nowMs); item !== null; item = queue.next(nowMs)) {
    queue.onSent(nextId(), nowMs * 1000);
    sent.push(item);
  }
  return sent;
}

function counter(): () => number {
  let id = 0;
  return () => {
    id += 1;
    return id;
  };
}

/**
 * A gateway with one store and a lane per producer, as gateway/publish-lane.ts: after a refusal it
 * refuses all later ones until the refused comes again.
 */
class ModelGateway {
  readonly stored: number[] = [];
  readonly inbound: { requestId: number; item: Item; seq: number }[] = [];
  readonly replies: { requestId: number; isAck: boolean }[] = [];
  #refusedSeq = 0;

  process(isFailing: boolean): void {
    const next = this.inbound.shift();
    if (next === undefined) return;
    if (this.#refusedSeq > 0 && next.seq > this.#refusedSeq) {
      this.replies.push({ requestId: next.requestId, isAck: false });
    } else if (isFailing && !this.stored.includes(next.seq)) {
      this.#refusedSeq = next.seq;
      this.replies.push({ requestId: next.requestId, isAck: false });
    } else {
      this.#refusedSeq = 0;
      if (!this.stored.includes(next.seq)) this.stored.push(next.seq);
      this.replies.push({ requestId: next.requestId, isAck: true });
    }
  }

  /** The connection breaks after the gateway has read some more of what was sent. */
  break(readCount: number): void {
    for (let i = 0; i < readCount; i += 1) this.process(false);
    this.inbound.length = 0;
    this.replies.length = 0;
  }
}

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("add"), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("send"), count: fc.integer({ min: 1, max: 8 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("store"), count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail"), count: fc.constant(1) }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant("reply"), count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("break"), count: fc.nat({ max: 6 }) }) },
);

class Simulation {
  readonly queue = new PublishQueue<Item>();
  readonly gateway = new ModelGateway();
  readonly nextId = counter();
  readonly acked: number[] = [];
  added = 0;

  run(what: string, times: number): void {
    if (what === "break") {
      this.gateway.break(times);
      this.queue.onBreak();
      this.#expectNothingOver();
      expect(this.queue.inFlightCount).toBe(0);
      return;
    }
    for (let i = 0; i < times; i += 1) this.#step(what);
  }

  /** No more faults: everything must come to its end. */
  finish(): void {
    for (let round = 0; !this.queue.isEmpty; round += 1) {
      expect(round, "rounds to the end").toBeLessThan(10_000);
      this.#step("send");
      this.#step("store");
      this.#step("reply");
    }
  }

  #step(what: string): void {
    if (what === "add") {
      this.added += 1;
      this.queue.add(makeItem());
    } else if (what === "send") {
      const item = this.queue.next(0);
      if (item === null) return;
      const requestId = this.nextId();
      this.queue.onSent(requestId, 1);
      this.gateway.inbound.push({ requestId, item, seq: item.seq });
    } else if (what === "reply") {
      const reply = this.gateway.replies.shift();
      if (reply === undefined) return;
      if (!reply.isAck) this.queue.onRetryable(reply.requestId, 0, refusal);
      else this.acked.push(this.queue.onAnswer(reply.requestId, true)?.seq ?? 0);
      this.#expectNothingOver();
    } else this.gateway.process(what === "fail");
  }

  /** This gateway acknowledges nothing behind a refused one, so nothing is ever overtaken. */
  #expectNothingOver(): void {
    expect(this.queue.takeOver()).toEqual([]);
  }
}

describe("PublishQueue", () => {
  test("stores every publish once and in order, under random failures and breaks", () => {
    let breaks = 0;
    let failures = 0;
    fc.assert(
      fc.property(fc.array(command, { minLength: 10, maxLength: 120 }), (commands) => {
        const simulation = new Simulation();
        for (const each of commands) {
          if (each.do === "break") breaks += 1;
          if (each.do === "fail") failures += 1;
          simulation.run(each.do, each.count);
        }
        simulation.finish();
        const wanted = Array.from({ length: simulation.added }, (_, at) => at + 1);
        expect(simulation.gateway.stored).toEqual(wanted);
        expect([...simulation.acked].sort((a, b) => a - b)).toEqual(wanted);
      }),
      { numRuns: 1000 },
    );
    expect(breaks).toBeGreaterThan(500);
    expect(failures).toBeGreaterThan(500);
  });

  test("next: after a retryable error nothing new is sent until all in flight is settled", () => {
    const queue = new PublishQueue<Item>();
    const nextId = counter();
    for (let i = 0; i < 3; i += 1) queue.add(makeItem());
    const [first, second, third] = pump(queue, nextId);
    queue.add(makeItem());
    queue.onRetryable(3, 0, refusal);
    expect(queue.next(0)).toBeNull();
    queue.onRetryable(2, 0, refusal);
    expect(queue.next(0)).toBeNull();
    expect(queue.onAnswer(1, true)).toBe(first);
    expect(queue.takeOver()).toEqual([]);
    expect(queue.next(0)).toBe(second);
    queue.onSent(4, 999);
    expect(queue.next(0)).toBeNull(); // one by one
    expect(queue.onAnswer(4, true)).toBe(second);
    expect(queue.next(0)).toBe(third);
    queue.onSent(5, 999);
    expect(queue.next(0)).toBeNull(); // and what is new only after the last of them
    queue.onAnswer(5, true);
    expect(queue.next(0)?.seq).toBe(0);
  });

  test("takeOver: one that failed ends when a later one was acknowledged, before or after", () => {
    const queue = new PublishQueue<Item>();
    queue.isDurable = true;
    const nextId = counter();
    for (let i = 0; i < 5; i += 1) queue.add(makeItem());
    const [first, second, third, , fifth] = pump(queue, nextId);
    queue.onRetryable(1, 0, refusal);
    expect(queue.takeOver()).toEqual([]);
    queue.onAnswer(4, true); // while the first waits for the rest to be settled
    expect(queue.takeOver()).toEqual([first]);
    queue.onRetryable(2, 0, refusal); // after it
    expect(queue.takeOver()).toEqual([second]);
    queue.onBreak();
    expect(queue.takeOver()).toEqual([third]);
    expect([first, second, third].map((item) => item?.isUncertain)).toEqual([false, false, true]);
    expect(queue.next(0)).toBe(fifth);
  });

  test("takeOver: what may be stored is not repeated where nothing drops a second copy", () => {
    const queue = new PublishQueue<Item>();
    const nextId = counter();
    for (let i = 0; i < 2; i += 1) queue.add(makeItem());
    const [first, second] = pump(queue, nextId);
    queue.onRetryable(1, 0, refusal); // nothing was done: to be repeated in any room
    expect(queue.needsMode).toBe(false);
    queue.onBreak();
    expect(queue.needsMode).toBe(true);
    expect(queue.takeOver()).toEqual([]);
    expect(queue.takeOver(false)).toEqual([second]);
    expect(queue.needsMode).toBe(false);
    expect(queue.next(0)).toBe(first);
  });

  test("publishError: the refusal when every try was answered, else unknown because of it", () => {
    const refused = { ...makeItem(), error: refusal };
    expect(publishError(refused, "")).toBe(refusal);
    const uncertain = publishError({ ...refused, isUncertain: true }, "it was written");
    expect(uncertain).toMatchObject({ code: "OUTCOME_UNKNOWN", retryable: false, cause: refusal });
    const said = new TidegateError("OUTCOME_UNKNOWN", "the gateway's own word");
    expect(publishError({ ...refused, isUncertain: true, error: said }, "")).toBe(said);
    expect(publishError(makeItem(), "").code).toBe("OUTCOME_UNKNOWN");
  });

  test("onSent: name and time of first writing never change in retries", () => {
    const queue = new PublishQueue<Item>();
    const item = makeItem();
    queue.add(item);
    queue.next(0);
    queue.onSent(1, 111);
    queue.onBreak();
    expect(queue.next(0)).toBe(item);
    queue.onSent(2, 222);
    expect([item.seq, item.firstSentUs]).toEqual([1, 111]);
    expect(queue.onAnswer(1, true)).toBeUndefined(); // an answer to the old connection's request
    expect(queue.onAnswer(2, true)).toBe(item);
  });

  test("next: waits for the time a gateway asked for", () => {
    const queue = new PublishQueue<Item>();
    queue.add(makeItem());
    pump(queue, counter());
    queue.onRetryable(1, 500, refusal);
    expect(queue.notBeforeMs).toBe(500);
    expect(queue.next(499)).toBeNull();
    expect(queue.next(500)).not.toBeNull();
  });

  test("onBreak: ephemeral publishes have no name to be recognised by, so they end", () => {
    const queue = new PublishQueue<Item>();
    queue.isDurable = false;
    queue.add(makeItem());
    queue.add(makeItem());
    const sent = pump(queue, counter());
    queue.add(makeItem());
    queue.onBreak();
    expect(queue.takeOver()).toEqual(sent);
    expect(queue.waitingCount).toBe(1);
  });

  test("onSent: a publish without an answer is done once written", () => {
    const queue = new PublishQueue<Item>();
    queue.add(makeItem(false));
    expect(pump(queue, () => 0)).toHaveLength(1);
    expect(queue.isEmpty).toBe(true);
  });

  test("expire: ends what is out of budget or waited too long, and no more", () => {
    const queue = new PublishQueue<Item>();
    const nextId = counter();
    for (const addedAtMs of [0, 0, 0, 5, 9]) queue.add(makeItem(true, addedAtMs));
    const times = [100, 200, 300];
    const sent = times.map((nowUs) => {
      const item = queue.next(0);
      queue.onSent(nextId(), nowUs);
      return item;
    });
    queue.onRetryable(1, 0, refusal);
    const ended = queue.expire(250, 6);
    expect(ended).toEqual([sent[1], sent[0], expect.objectContaining({ addedAtMs: 5, seq: 0 })]);
    expect(ended.map((item) => item.isUncertain)).toEqual([true, false, false]);
    expect([queue.inFlightCount, queue.waitingCount]).toEqual([1, 1]);
    expect(queue.onAnswer(2, true)).toBeUndefined(); // too late
  });

  test("expire: the name of a publish that was never written is not used up", () => {
    const queue = new PublishQueue<Item>();
    queue.add(makeItem(true, 0));
    queue.expire(0, 1);
    const next = makeItem(true, 2);
    queue.add(next);
    pump(queue, counter());
    expect(next.seq).toBe(1);
  });
});
