/** Work that a leader repeats: while it leads, one turn at a time, whatever becomes of one. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LeaderTurns } from "../../controlplane/leader-turns.ts";
import { RecordingTracer, type Tracer } from "../../telemetry/tracing/tracer.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Turns that end when the test says so, with what it says. */
function openTurns(tracer?: Tracer) {
  const pending: PromiseWithResolvers<void>[] = [];
  const state = { isLeading: true, turnCount: 0, told: [] as string[] };
  const work = {
    name: "do work",
    everyMs: 1000,
    failed: "it failed",
    isLeading: () => state.isLeading,
    turn: () => {
      state.turnCount += 1;
      const turn = Promise.withResolvers<void>();
      pending.push(turn);
      return turn.promise;
    },
  };
  const warn = (_: object, text: string) => void state.told.push(text);
  const turns = new LeaderTurns(work, { debug() {}, info() {}, warn, error() {} }, tracer);
  const end = async (error?: Error) => {
    const turn = pending.shift();
    if (error === undefined) turn?.resolve();
    else turn?.reject(error);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { state, turns, end };
}

test("a turn each time, the first after one interval, and none while another runs", async () => {
  const { state, turns, end } = openTurns();
  await vi.advanceTimersByTimeAsync(999);
  expect(state.turnCount).toBe(0);
  await vi.advanceTimersByTimeAsync(5001);
  expect(state.turnCount).toBe(1); // it still runs
  await end();
  await vi.advanceTimersByTimeAsync(1000);
  expect(state.turnCount).toBe(2);
  turns.close();
});

test("who does not lead does nothing, and takes over when it leads", async () => {
  const { state, turns } = openTurns();
  state.isLeading = false;
  await vi.advanceTimersByTimeAsync(5000);
  expect(state.turnCount).toBe(0);
  state.isLeading = true;
  await vi.advanceTimersByTimeAsync(1000);
  expect(state.turnCount).toBe(1);
  turns.close();
});

test("a turn that fails is told of, and the next one is not the last", async () => {
  const { state, turns, end } = openTurns();
  for (const count of [1, 2]) {
    await vi.advanceTimersByTimeAsync(1000);
    await end(new Error("injected"));
    expect([state.turnCount, state.told.length]).toEqual([count, count]);
  }
  expect(state.told[0]).toBe("it failed");
  turns.close();
});

test("turns are traces of their own: a share of them, and those that fail", async () => {
  for (const [ratio, expected] of [
    [0, ["it is broken"]],
    [1, ["", "it is broken"]],
  ] as const) {
    const tracer = new RecordingTracer({ ratio });
    tracer.recorder.beginExport();
    const { turns, end } = openTurns(tracer);
    for (const error of [undefined, new Error("it is broken")]) {
      await vi.advanceTimersByTimeAsync(1000);
      await end(error);
    }
    turns.close();
    const spans = tracer.recorder.take(9);
    expect(spans.map(({ name, parentSpanId }) => [name, parentSpanId])).toEqual(
      expected.map(() => ["do work", ""]),
    );
    for (const [i, text] of expected.entries()) expect(spans[i]?.error).toContain(text);
  }
});

test("close: no more turns, and one that fails afterwards is not told of", async () => {
  const { state, turns, end } = openTurns();
  await vi.advanceTimersByTimeAsync(1000);
  turns.close();
  await end(new Error("the bus is closed"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect([state.turnCount, state.told, vi.getTimerCount()]).toEqual([1, [], 0]);
});
