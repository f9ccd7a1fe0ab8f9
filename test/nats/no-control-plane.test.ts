/** All control planes die: a short while here, a real minute in no-control-plane.long.ts. */
import { test } from "vitest";
import { killControlPlanesFor } from "./no-control-plane.ts";

test(
  "all control planes killed for 10 s: clients notice nothing, changes wait",
  () => killControlPlanesFor(10_000),
  120_000,
);
