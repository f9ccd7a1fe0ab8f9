/**
 * What the clients' port tells a Prometheus.
 *
 * Pure.
 */
import type { MetricFamily } from "../metrics.ts";
import type { EdgeStatus } from "./client-port.ts";

/** Families of the door, and of the certificate where there is one. */
export function edgeFamilies({ door, certificate }: EdgeStatus): MetricFamily[] {
  const refusals = { 'why="flood"': door.floodRefusals, 'why="policy"': door.policyRefusals };
  const families: MetricFamily[] = [
    ["door_refusals_total", "counter", "Sockets and upgrades that were refused.", refusals],
  ];
  if (certificate === null) return families;
  const { notAfterMs, reloadCount, trouble } = certificate;
  return [
    ...families,
    ["certificate_not_after", "gauge", "End of the certificate, Unix s.", notAfterMs / 1000],
    ["certificate_reloads_total", "counter", "New certificates.", reloadCount],
    ["certificate_trouble", "gauge", "1: the files can not be served.", trouble === "" ? 0 : 1],
  ];
}
