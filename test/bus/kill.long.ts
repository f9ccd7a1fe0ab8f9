/** As kill.test.ts, with more kills. */
import { test } from "vitest";
import { killAndCheck } from "./kill-rounds.ts";

const rounds = 20;

test(
  `embedded bus: ${rounds} times kill -9 in the middle of appends, on one store`,
  () => killAndCheck(rounds, 3, 1),
  180_000,
);

test(
  `embedded bus: ${rounds} times kill -9 in the middle of moves among three shards`,
  () => killAndCheck(rounds, 12, 3),
  180_000,
);
