/** The apps behind the clients' port: how many there are after many certificates. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ClientApps, GENERATION_COUNT_MAX, RETIRE_MS } from "../../../gateway/edge/client-apps.ts";
import { Authority } from "../../controlplane/access/issue.ts";

function issue() {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-apps-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { cert, key } = new Authority(folder, "ca").issue("/CN=a");
  return { certFile: cert, keyFile: key };
}

test("retire: apps without connections end some time after their successor came", () => {
  const files = issue();
  const apps = new ClientApps(files);
  onTestFinished(() => apps.close());
  apps.replace(files, 1000);
  apps.replace(files, 2000);
  apps.retire(1000 + RETIRE_MS - 1);
  expect(apps.generationCount).toBe(3);
  apps.retire(1000 + RETIRE_MS);
  expect(apps.generationCount).toBe(2);
  apps.retire(1e9);
  expect(apps.generationCount).toBe(1); // the newest is never retired
});

test("retire: beyond the bound the oldest end, whoever is connected", () => {
  const files = issue();
  const apps = new ClientApps(files);
  onTestFinished(() => apps.close());
  const routed: string[] = [];
  apps.route((_app, count) => {
    routed.push("app");
    count(1); // somebody is connected to each
  });
  for (let i = 0; i < GENERATION_COUNT_MAX + 3; i += 1) apps.replace(files, i);
  expect(routed).toHaveLength(GENERATION_COUNT_MAX + 4);
  apps.retire(1e9);
  expect(apps.generationCount).toBe(GENERATION_COUNT_MAX);
});

test("replace: a pair that can not be served changes nothing", () => {
  const files = issue();
  const apps = new ClientApps(files);
  onTestFinished(() => apps.close());
  expect(() => apps.replace({ ...files, keyFile: "/nowhere" }, 0)).toThrow();
  expect(apps.generationCount).toBe(1);
});
