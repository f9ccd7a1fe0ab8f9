/** What parts tell as the text of /metrics, each series of gateway "test". */
import { type CollectMetrics, MetricRegistry } from "../../telemetry/metrics/registry.ts";
import { type MetricFormat, renderMetrics } from "../../telemetry/metrics/render.ts";

/** One reading of the parts. */
export async function metricsText(
  collectors: readonly CollectMetrics[],
  format: MetricFormat = "prometheus",
): Promise<string> {
  const registry = new MetricRegistry({ gateway: "test" });
  for (const collect of collectors) registry.add(collect);
  return renderMetrics(await registry.read(), format);
}
