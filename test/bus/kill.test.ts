/** kill -9 at any moment loses no acknowledged message, doubles none, and re-uses no position. */
import { test } from "vitest";
import { killAndCheck } from "./kill-rounds.ts";

/** Each number of publishes in flight twice; kill.long.ts has more. */
const rounds = 8;

test(
  `embedded bus: ${rounds} times kill -9 in the middle of appends, on one store`,
  () => killAndCheck(rounds, 3, 1),
  120_000,
);

test(
  `embedded bus: ${rounds} times kill -9 in the middle of moves among three shards`,
  () => killAndCheck(rounds, 12, 3),
  120_000,
);
