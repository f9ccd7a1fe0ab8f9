/**
 * A real Prometheus under test, with deploy/observability/prometheus.yml and its rules; only its
 * targets are others, and it looks each half second.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { stringify } from "yaml";
import { from } from "../../tidy/source.ts";
import { ALERTS_FILE, readYaml } from "./rule-files.ts";

/** How often it reads, and judges rules. */
const INTERVAL = "500ms";

/** One series of an answer: its labels, and its value. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** What leads from a histogram to an example of it; `timestamp` in seconds. */
interface Exemplar {
  readonly labels: Readonly<Record<string, string>>;
  readonly timestamp: number;
}

/** A rule as Prometheus has it. */
export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly state: string;
}

/** A running Prometheus. */
export interface Prometheus {
  /** The answer to an instant query; throws what Prometheus says of one that it can not read. */
  query(expression: string): Promise<Sample[]>;
  rules(): Promise<RuleState[]>;
  /** Labels of the exemplars of a metric, such as the id of a trace; the oldest first. */
  exemplars(metric: string): Promise<Readonly<Record<string, string>>[]>;
  /** Names of all metrics that it has. */
  names(): Promise<string[]>;
  close(): Promise<void>;
}

/** Whether it is not here; in CI it must be. */
export function isPrometheusMissing(): boolean {
  try {
    execFileSync("prometheus", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    console.error("not run: no prometheus here (Debian package prometheus)");
    return process.env.CI === undefined; // not installed: CI installs it, and there tests must run
  }
}

/** Starts it. @param targets as "host:port". */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-prometheus-"));
  const config = readYaml("deploy/observability/prometheus.yml") as {
    global: Record<string, string>;
    scrape_configs: { static_configs: { targets: readonly string[] }[] }[];
  };
  config.global = { scrape_interval: INTERVAL, evaluation_interval: INTERVAL };
  for (const each of config.scrape_configs) each.static_configs = [{ targets }];
  const file = path.join(folder, "prometheus.yml");
  writeFileSync(file, stringify(config));
  cpSync(from(ALERTS_FILE), path.join(folder, "alerts.yml"));
  const child = spawn(
    "prometheus",
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${path.join(folder, "data")}`,
      "--web.listen-address=127.0.0.1:0",
      "--enable-feature=exemplar-storage",
    ],
    { cwd: folder, stdio: ["ignore", "ignore", "pipe"] },
  );
  const exited = once(child, "exit");
  const said: string[] = [];
  let address = "";
  for await (const line of createInterface({ input: child.stderr })) {
    said.push(line);
    address = /msg="Listening on" address=(\S+)/.exec(line)?.[1] ?? "";
    if (address !== "") break;
  }
  child.stderr.resume();
  if (address === "") throw new Error(`prometheus ended:\n${said.join("\n")}`);
  const ask = async (call: string, body: URLSearchParams | null) => {
    const init = body === null ? {} : { method: "POST", body };
    const response = await fetch(`http://${address}/api/v1/${call}`, init);
    const answer = (await response.json()) as { status: string; error?: string; data: unknown };
    if (answer.status !== "success") throw new Error(`${call}: ${answer.error} (${body})`);
    return answer.data;
  };
  return {
    query: async (expression) => {
      const data = await ask("query", new URLSearchParams({ query: expression }));
      const { result } = data as {
        result: { metric: Sample["metric"]; value: [number, string] }[];
      };
      return result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
    },
    rules: async () => {
      const { groups } = (await ask("rules", null)) as { groups: { rules: RuleState[] }[] };
      return groups.flatMap(({ rules }) => rules);
    },
    exemplars: async (metric) => {
      const [start, end] = [Date.now() / 1000 - 600, Date.now() / 1000 + 60].map(String);
      const body = new URLSearchParams({ query: metric, start: start ?? "", end: end ?? "" });
      const data = (await ask("query_exemplars", body)) as { exemplars: Exemplar[] }[];
      const all = data.flatMap(({ exemplars }) => exemplars);
      return all.sort((a, b) => a.timestamp - b.timestamp).map(({ labels }) => labels);
    },
    names: async () => (await ask("label/__name__/values", null)) as string[],
    close: async () => {
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
