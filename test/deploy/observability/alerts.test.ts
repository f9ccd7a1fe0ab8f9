/** Alert rules: promtool takes them, each fires and does not fire just below, each is explained. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CATALOGUE } from "../../../telemetry/metrics/catalogue.ts";
import { from } from "../../tidy/source.ts";
import {
  ALERT_TESTS_FILE,
  ALERTS_FILE,
  isPromtoolMissing,
  metricsOf,
  promtool,
  readAlertCases,
  readAlerts,
} from "./rule-files.ts";

const isMissing = isPromtoolMissing();
const alerts = readAlerts();
const runbook = readFileSync(from("docs/runbook.md"), "utf8");

test.skipIf(isMissing)("alerts: promtool takes the rules", () => {
  expect(promtool("check", "rules", ALERTS_FILE)).toContain(`${alerts.length} rules found`);
});

test.skipIf(isMissing)("alerts: each fires, and does not fire just below", () => {
  expect(promtool("test", "rules", ALERT_TESTS_FILE)).toContain("SUCCESS");
});

test("alerts: each has a case in which it fires", () => {
  const cases = readAlertCases();
  expect([...cases.keys()].sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  expect([...cases].filter(([, { fires }]) => fires === 0)).toEqual([]);
});

test.skipIf(isMissing)("alerts: one that always fires, or never, is caught", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-alerts-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const rules = readFileSync(from(ALERTS_FILE), "utf8");
  const cases = readFileSync(from(ALERT_TESTS_FILE), "utf8");
  const file = path.join(folder, "cases.yml");
  writeFileSync(file, cases.replace(/rule_files: .*/, "rule_files: [rules.yml]"));
  const judge = (threshold: string) => {
    const changed = rules.replace("tidegate_bus_lag_seconds > 0.25", threshold);
    expect(changed).not.toBe(rules);
    writeFileSync(path.join(folder, "rules.yml"), changed);
    return () => promtool("test", "rules", file);
  };
  expect(judge("tidegate_bus_lag_seconds >= 0.25")).toThrow("TidegateBusLag");
  expect(judge("tidegate_bus_lag_seconds > 0.3")).toThrow("TidegateBusLag");
});

test("alerts: each metric is in the catalogue, and exported", () => {
  const named = [...new Set(alerts.flatMap(({ expr }) => metricsOf(expr)))];
  expect(named.length).toBeGreaterThan(20);
  const rows = new Map(Object.entries(CATALOGUE));
  expect(named.filter((name) => rows.get(name) === undefined)).toEqual([]);
});

test.each(alerts.map((alert) => [alert.alert, alert] as const))(
  "alerts: %s says how bad it is, and its section of the runbook says the rest",
  (name, { labels, annotations }) => {
    expect(["page", "ticket"]).toContain(labels.severity);
    expect(annotations.runbook).toBe(`docs/runbook.md#${name.toLowerCase()}`);
    const section = runbook.split(/^## /m).find((text) => text.startsWith(`${name}\n`)) ?? "";
    for (const part of ["**Means.**", "**Users see.**", "**Look.**", "**Do.**"]) {
      expect(section).toContain(part);
    }
  },
);

test("runbook: has no section of an alert that is gone", () => {
  const named = [...runbook.matchAll(/^## (Tidegate\w+)$/gm)].map(([, name]) => name);
  expect(named.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
});
