/** Grafana's dashboard: what it is made of, and that Grafana can take it. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Panel } from "../../../deploy/observability/dashboard/panel.ts";
import { ROWS } from "../../../deploy/observability/dashboard/rows.ts";
import { toGrafana } from "../../../deploy/observability/dashboard/to-grafana.ts";
import { CATALOGUE } from "../../../telemetry/metrics/catalogue.ts";
import { from } from "../../tidy/source.ts";
import { metricsOf, readAlerts } from "./rule-files.ts";

/** What of Grafana's JSON is looked at here. */
interface Dashboard {
  readonly templating: { readonly list: { readonly name: string }[] };
  readonly panels: {
    readonly id: number;
    readonly title: string;
    readonly gridPos: { x: number; y: number; w: number; h: number };
    readonly targets?: { readonly refId: string; readonly expr: string }[];
  }[];
}

const dashboard = toGrafana(ROWS) as Dashboard;
const panels: readonly Panel[] = ROWS.flatMap((row) => row.panels);
const expressions = panels.flatMap(({ queries }) => queries.map(([expression]) => expression));

test("dashboard: the file is what its lists make (npm run generate)", () => {
  const file = readFileSync(from("deploy/observability/grafana/tidegate.json"), "utf8");
  expect(JSON.parse(file)).toEqual(dashboard);
});

test("dashboard: has a row for the fleet, one gateway, rooms, the bus and the control plane", () => {
  const rows = ["Fleet", "Gateway $gateway", "Rooms", "Bus", "Control plane"];
  expect(ROWS.map(({ title }) => title)).toEqual(rows);
});

test("dashboard: ids are unique, queries have letters of their own, no panel covers another", () => {
  const ids = dashboard.panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { targets = [] } of dashboard.panels) {
    expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  }
  const taken = new Map<string, string>();
  for (const { title, gridPos } of dashboard.panels) {
    expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(`${title} over ${taken.get(`${x},${y}`) ?? "nothing"}`).toContain("over nothing");
        taken.set(`${x},${y}`, title);
      }
    }
  }
});

test("dashboard: titles are unique, and each panel says what it shows in a sentence", () => {
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  for (const { about } of panels) expect(about).toMatch(/^[A-Z0-9].{15,}\.$/);
});

test("dashboard: every variable is defined, and every one that is defined is used", () => {
  const grafanas = ["__rate_interval"];
  const defined = dashboard.templating.list.map(({ name }) => name);
  const used = JSON.stringify(dashboard).match(/\$\w+/g) ?? [];
  expect([...new Set(used.map((name) => name.slice(1)))].sort()).toEqual(
    [...defined, ...grafanas].sort(),
  );
});

test("dashboard: each metric is in the catalogue, with the labels that are named", () => {
  const rows = new Map(Object.entries(CATALOGUE));
  const named = [...new Set(expressions.flatMap(metricsOf))];
  expect(named.length).toBeGreaterThan(60);
  expect(named.filter((name) => !rows.has(name))).toEqual([]);
  const wrong = expressions.flatMap((expression) => unknownLabels(expression));
  expect(wrong).toEqual([]);
  expect(unknownLabels('rate(tidegate_gaps_total{job="$job", colour="red"}[1m])')).toEqual([
    "tidegate_gaps_total{colour}",
  ]);
});

test("dashboard: a counter is shown by its rate, a gauge as it is", () => {
  for (const expression of expressions) {
    for (const name of metricsOf(expression)) {
      const isRate = new RegExp(`(rate|increase)\\(${name}(_bucket)?\\{`).test(expression);
      const { type } = CATALOGUE[name as keyof typeof CATALOGUE];
      const isSum = name.startsWith("tidegate_drain_"); // of one drain: the number itself tells
      if (!isSum) expect(`${name} ${isRate}`).toBe(`${name} ${type !== "gauge"}`);
    }
  }
});

describe("dashboard: a line across a panel stands where the alert fires", () => {
  const lines: readonly [panel: string, alert: string, text: string][] = [
    ["Errors", "TidegateErrors", "> 0.01"],
    ["Connections of the most", "TidegateConnectionsNearMax", "> 0.8"],
    ["Connection latency", "TidegateConnectionsSlow", "> 0.5"],
    ["Memory per connection, of its budget", "TidegateMemoryPerConnection", "> 0.8"],
    ["Overload", "TidegateOverloaded", "> 0"],
    ["Lag", "TidegateBusLag", "> 0.25"],
    ["Shards, how full", "TidegateShardFull", "> 0.85"],
    ["Operations, how long", "TidegateOperationStuck", "> 120"],
    ["Age of the configuration", "TidegateConfigurationStale", "> 60"],
  ];
  test.each(lines)("%s: %s", (title, name, text) => {
    const alert = readAlerts().find((each) => each.alert === name);
    const panel = panels.find((each) => each.title === title);
    const from = panel?.alertFrom ?? 0;
    // A level of 1 is the first above 0.
    expect([`> ${from}`, `> ${from - 1}`]).toContain(text);
    expect(alert?.expr).toContain(text);
  });
});

/** Labels in braces that the catalogue does not give to their metric. */
function unknownLabels(expression: string): string[] {
  const given = ["job", "instance", "gateway", "le"];
  return [...expression.matchAll(/\b(tidegate_\w+)\{([^}]*)\}/g)].flatMap(
    ([, full = "", braces]) => {
      const [name = ""] = metricsOf(full);
      const row = CATALOGUE[name as keyof typeof CATALOGUE];
      const labels = [...(braces ?? "").matchAll(/(\w+)=/g)].map(([, label = ""]) => label);
      return labels
        .filter((label) => !given.includes(label) && !(row?.labels ?? []).includes(label))
        .map((label) => `${name}{${label}}`);
    },
  );
}
