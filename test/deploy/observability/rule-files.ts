/**
 * The alert rules and their unit tests as data, and promtool, which judges both.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { from } from "../../tidy/source.ts";

/** The rules. */
export const ALERTS_FILE = "deploy/observability/alerts.yml";
/** Their unit tests. */
export const ALERT_TESTS_FILE = "test/deploy/observability/alerts.yml";

/** One alert of the rules. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** One look at an alert in a unit test; without `exp_alerts` it must not fire. */
interface AlertCase {
  readonly alertname: string;
  readonly exp_alerts?: readonly unknown[];
}

/** All alerts, in their order. */
export function readAlerts(): AlertRule[] {
  const file = readYaml(ALERTS_FILE) as { groups: { rules: AlertRule[] }[] };
  return file.groups.flatMap(({ rules }) => rules);
}

/** How often the unit tests look at each alert: when it fires, and when it does not. */
export function readAlertCases(): Map<string, { fires: number; isSilent: number }> {
  const file = readYaml(ALERT_TESTS_FILE) as { tests: { alert_rule_test: AlertCase[] }[] };
  const counts = new Map<string, { fires: number; isSilent: number }>();
  for (const { alertname, exp_alerts } of file.tests.flatMap((each) => each.alert_rule_test)) {
    const count = counts.get(alertname) ?? { fires: 0, isSilent: 0 };
    if (exp_alerts === undefined) count.isSilent += 1;
    else count.fires += 1;
    counts.set(alertname, count);
  }
  return counts;
}

/** A YAML file of the repository. */
export function readYaml(file: string): unknown {
  return parse(readFileSync(from(file), "utf8"));
}

/** Metrics of ours that a PromQL expression names, as the catalogue has them. */
export function metricsOf(expression: string): string[] {
  const names = expression.match(/\btidegate_\w+/g) ?? [];
  return names.map((name) => name.replace(/_seconds_bucket$/, "_seconds"));
}

/** Whether `promtool` is not here; in CI it must be. */
export function isPromtoolMissing(): boolean {
  try {
    execFileSync("promtool", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    console.error("not run: no promtool here (Debian package prometheus)");
    return process.env.CI === undefined; // not installed: CI installs it, and there tests must run
  }
}

/** What promtool says; throws with it when it finds a fault. */
export function promtool(...args: readonly string[]): string {
  return execFileSync("promtool", args, { cwd: from("."), encoding: "utf8", stdio: "pipe" });
}
