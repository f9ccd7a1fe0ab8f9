/** What the clients' port tells a Prometheus. */
import { expect, test } from "vitest";
import { edgeFamilies } from "../../../gateway/edge/edge-metrics.ts";

const door = { floodRefusals: 3, policyRefusals: 4 };
const served = { notAfterMs: 5000, fingerprint: "ab", reloadCount: 2, generationCount: 1 };
const valuesOf = (status: Parameters<typeof edgeFamilies>[0]) =>
  Object.fromEntries(edgeFamilies(status).map(([name, , , value]) => [name, value]));

test("refusals at the door; of a certificate its end in seconds, and whether it is in trouble", () => {
  const refusals = { 'why="flood"': 3, 'why="policy"': 4 };
  expect(valuesOf({ door, certificate: null })).toEqual({ door_refusals_total: refusals });
  expect(valuesOf({ door, certificate: { ...served, trouble: "no pair" } })).toEqual({
    door_refusals_total: refusals,
    ...{ certificate_not_after: 5, certificate_reloads_total: 2, certificate_trouble: 1 },
  });
  const fine = valuesOf({ door, certificate: { ...served, trouble: "" } });
  expect(fine.certificate_trouble).toBe(0);
});
