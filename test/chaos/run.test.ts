/**
 * A short run with a fixed seed: the main faults while slots move, a window of 4 s, freezes of 8 s.
 */
import { expect, test } from "vitest";
import { formatResult } from "./report.ts";
import { runChaos } from "./run.ts";

const faults = [
  "nats-kill",
  "nats-freeze-long",
  "nats-lame-duck",
  "step-down",
  "gateway-kill",
  "gateway-freeze",
  "bus-freeze-long",
  "client-cut",
  "client-deaf",
  "client-half-open",
  "slot-move",
  "mover-kill",
];

test("chaos: a short run of the main faults, and of moves, breaks no promise", async () => {
  const said: string[] = [];
  const wish = { seconds: 20, seed: 4, faults, isKept: false, windowMs: 4000 };
  const natsServer = process.env.NATS_SERVER ?? "";
  const result = await runChaos({ ...wish, natsServer }, { say: (text) => said.push(text) });
  expect(result.violations, `${said.join("\n")}\n${formatResult(result)}`).toEqual([]);
  expect(result.counts.acked).toBeGreaterThan(100);
  expect(result.counts.delivered).toBeGreaterThan(result.counts.acked);
  expect(new Set(result.faults.map(({ name }) => name)).size).toBeGreaterThan(4);
}, 180_000);
