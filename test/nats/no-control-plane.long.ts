/** A real minute without any control plane: longer than their leases last. */
import { test } from "vitest";
import { killControlPlanesFor } from "./no-control-plane.ts";

test(
  "all control planes killed for a minute: clients notice nothing, changes wait",
  () => killControlPlanesFor(60_000),
  240_000,
);
