/** docs/metrics.md: its tables are the catalogue of telemetry/metrics/. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CATALOGUE, type MetricName } from "../../telemetry/metrics/catalogue.ts";
import type { MetricRow } from "../../telemetry/metrics/metric-row.ts";
import { from } from "../tidy/source.ts";

function tableLine([name, { type, labels, help }]: [string, MetricRow]): string {
  const shown = labels.length === 0 ? "–" : labels.map((label) => `\`${label}\``).join(", ");
  return `| \`${name}\` | ${type} | ${shown} | ${help} |`;
}

const rows = Object.entries(CATALOGUE) as [MetricName, MetricRow][];

test("metrics.md: has one line for each metric, in order, as the catalogue says", () => {
  const text = readFileSync(from("docs/metrics.md"), "utf8");
  const lines = text.split("\n").filter((line) => line.startsWith("| `tidegate_"));
  expect(lines.map((line) => line.replaceAll(/ +/g, " "))).toEqual(rows.map(tableLine));
});

test("metrics: names end in their unit, counters in _total", () => {
  for (const [name, { type }] of rows) {
    expect(name).toMatch(/^tidegate(_[a-z]+[0-9]*)+$/);
    expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
    expect(name).not.toMatch(/_(ms|us|milliseconds|kb|mib|percent)(_|$)/);
    if (type === "histogram") expect(name).toMatch(/_(seconds|bytes)$/);
  }
});
