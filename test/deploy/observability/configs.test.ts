/** Configurations to try observability out: each by its own tool where there is one. */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { from } from "../../tidy/source.ts";
import { isPromtoolMissing, promtool, readYaml } from "./rule-files.ts";

const folder = "deploy/observability";

/** `docker compose`, or Debian's `docker-compose`; null where neither is. No daemon is needed. */
const compose = [["docker", "compose"], ["docker-compose"]].find(([command = "", ...args]) => {
  try {
    execFileSync(command, [...args, "version"], { stdio: "ignore" });
    return true;
  } catch {
    return false; // not installed
  }
});
if (compose === undefined) console.error("not run: no docker compose here (docker-compose)");

test.skipIf(compose === undefined && process.env.CI === undefined)(
  "compose.yaml: docker compose takes it, all ports are this machine's alone, and files are there",
  () => {
    const [command = "", ...args] = compose ?? [];
    const file = from(`${folder}/compose.yaml`);
    execFileSync(command, [...args, "-f", file, "config", "-q"], { stdio: "pipe" });
    const { services } = readYaml(`${folder}/compose.yaml`) as {
      services: Record<string, { image: string; ports: string[]; volumes?: string[] }>;
    };
    expect(Object.keys(services)).toEqual(["collector", "jaeger", "prometheus", "grafana"]);
    for (const { image, ports, volumes = [] } of Object.values(services)) {
      expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
      for (const volume of volumes) {
        const [host = "", , mode] = volume.split(":");
        expect(`${host} ${existsSync(path.join(from(folder), host))}`).toBe(`${host} true`);
        expect(mode).toBe("ro");
      }
    }
  },
);

test.skipIf(isPromtoolMissing())("prometheus.yml: promtool takes it, with its rules", () => {
  expect(promtool("check", "config", `${folder}/prometheus.yml`)).toContain("is valid");
});

test("collector.yaml: pipelines use what is defined, and all of it", () => {
  type Parts = Record<string, unknown>;
  type Pipeline = { receivers: string[]; processors: string[]; exporters: string[] };
  const { service, ...parts } = readYaml(`${folder}/collector.yaml`) as {
    receivers: Parts;
    processors: Parts;
    exporters: Parts;
    service: { pipelines: Record<string, Pipeline> };
  };
  expect(Object.keys(service.pipelines)).toEqual(["traces", "metrics"]);
  for (const kind of ["receivers", "processors", "exporters"] as const) {
    const used = Object.values(service.pipelines).flatMap((pipeline) => pipeline[kind]);
    expect([...new Set(used)].sort()).toEqual(Object.keys(parts[kind]).sort());
  }
  // First of all processors: what it refuses costs no memory.
  for (const { processors } of Object.values(service.pipelines)) {
    expect(processors[0]).toBe("memory_limiter");
  }
});

test("Grafana's provisioning: the dashboard's sources and paths are those of compose.yaml", () => {
  const { datasources } = readYaml(`${folder}/grafana/datasources.yaml`) as {
    datasources: { uid: string; url: string; type: string }[];
  };
  const { services } = readYaml(`${folder}/compose.yaml`) as {
    services: Record<string, { volumes?: string[] }>;
  };
  for (const { url } of datasources) {
    expect(Object.keys(services)).toContain(new URL(url).hostname);
  }
  const { providers } = readYaml(`${folder}/grafana/provider.yaml`) as {
    providers: { options: { path: string } }[];
  };
  const [provider] = providers;
  const mounted = (services.grafana?.volumes ?? []).map((volume) => volume.split(":")[1]);
  expect(mounted).toContain(`${provider?.options.path}/tidegate.json`);
});
