/**
 * `tidegatectl class …` against a real control plane.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { openControlPlane } from "../controlplane/start-control-plane.ts";
import { type Ended, runCli, runProcess } from "./run-cli.ts";

let address = "";
let tenantCount = 0;

beforeAll(async () => {
  const opened = await openControlPlane();
  address = opened.plane.address;
  return () => opened.close();
});

/** Runs class commands of one new tenant. */
function newTenant(): (args: readonly string[], input?: unknown) => Promise<Ended> {
  tenantCount += 1;
  const env = { TIDEGATE_CONTROL: address, TIDEGATE_TENANT: `t${tenantCount}` };
  return (args, input) => {
    const text = typeof input === "string" ? input : JSON.stringify(input ?? "");
    return runCli(["class", ...args], { env, input: text });
  };
}

const apply = ["apply", "-f", "-"];

test("class list: shows the built-in classes as a table, and as JSON", async () => {
  const run = newTenant();
  const table = await run(["list"]);
  expect(table).toMatchObject({ code: 0, stderr: "" });
  expect(table.stdout).toBe(
    [
      "NAME  MODE       HISTORY  AGE  PUBLISH  SLOW MEMBERS  MEMBERS  ORIGIN",
      "chat  durable    1000     30d  clients  resync        -        built in",
      "live  ephemeral  -        -    clients  gap           -        built in",
      "",
    ].join("\n"),
  );
  const json = await run(["list", "-o", "json"]);
  expect(JSON.parse(json.stdout)[0]).toEqual({
    name: "chat",
    mode: "durable",
    historyCountMax: 1000,
    historyAgeMaxS: 2_592_000,
    publishPermission: "clients",
    slowMemberPolicy: "resync",
    memberCountMax: 0,
    roomPublishesPerSecondMax: 0,
    classPublishesPerSecondMax: 0,
    payloadBytesMax: 0,
    anonymousAccess: "none",
    placementGroup: "groups/0",
    regions: [],
    builtIn: true,
    etag: "0",
    updateTime: null,
  });
});

test("class apply: creates, changes field by field, and says what changed", async () => {
  const run = newTenant();
  const created = await run(apply, { name: "game", mode: "durable", historyCountMax: 500 });
  expect(created).toMatchObject({ code: 0, stderr: "" });
  expect(created.stdout).toContain("class game created\n  mode                        durable\n");
  const changed = await run(apply, [
    { name: "game", historyCountMax: 100, publishPermission: "MEMBERS" },
    { name: "chat", slowMemberPolicy: "SLOW_MEMBER_POLICY_GAP" },
    { name: "live" },
  ]);
  expect(changed.stdout).toBe(
    [
      "class game changed",
      "  historyCountMax    500 -> 100",
      "  publishPermission  clients -> members",
      "class chat changed",
      "  slowMemberPolicy  resync -> gap",
      "class live unchanged",
      "",
    ].join("\n"),
  );
  const got = await run(["get", "game"]);
  expect(got.stdout).toContain("historyCountMax             100\n");
  expect(got.stdout).toContain("origin                      created\n");
});

test("class: as a process, from stdin to stdout", async () => {
  const env = { TIDEGATE_CONTROL: address, TIDEGATE_TENANT: "process" };
  const input = JSON.stringify({ name: "game", mode: "durable" });
  const applied = await runProcess(["class", ...apply], { env, input });
  expect(applied).toMatchObject({ code: 0, stderr: "" });
  expect(applied.stdout).toContain("class game created\n");
  const failed = await runProcess(["class", "get", "none"], { env });
  expect(failed).toMatchObject({ code: 5, stdout: "" });
});

test("class apply: --dry-run says the same and writes nothing", async () => {
  const run = newTenant();
  const dry = [...apply, "--dry-run"];
  const checked = await run(dry, { name: "game", mode: "ephemeral" });
  expect(checked.stdout).toContain("class game created (dry run, nothing was written)");
  expect(await run(["get", "game"])).toMatchObject({ code: 5, stdout: "" });
  const json = await run([...dry, "-o", "json"], { name: "chat", historyCountMax: 5 });
  expect(JSON.parse(json.stdout)).toMatchObject([
    { class: "chat", action: "changed", changes: { historyCountMax: [1000, 5] } },
  ]);
});

test("class apply: what list printed can be applied again, unchanged", async () => {
  const run = newTenant();
  await run(apply, { name: "game", mode: "ephemeral", slowMemberPolicy: "disconnect" });
  const listed = await run(["list", "-o", "json"]);
  const again = await run(apply, listed.stdout);
  expect(again).toMatchObject({ code: 0, stderr: "" });
  expect(again.stdout).toBe("class chat unchanged\nclass game unchanged\nclass live unchanged\n");
});

test("class apply: when one class is refused, none is touched", async () => {
  const run = newTenant();
  const refused = await run(apply, [
    { name: "game", mode: "durable" },
    { name: "live", mode: "durable" },
  ]);
  expect(refused).toMatchObject({ code: 6, stdout: "" });
  expect(refused.stderr).toContain("[MODE_IMMUTABLE]\n  Create a class of another name.\n");
  expect(await run(["get", "game"])).toMatchObject({ code: 5 });
});

test("class apply: with a stale etag it is a conflict", async () => {
  const run = newTenant();
  const before = JSON.parse((await run(["get", "chat", "-o", "json"])).stdout);
  await run(apply, { name: "chat", historyCountMax: 5 });
  const stale = await run(apply, { ...before, historyCountMax: 6 });
  expect(stale).toMatchObject({ code: 6, stdout: "" });
  expect(stale.stderr).toContain("[ETAG_MISMATCH]");
});

test.each([
  ["{", "the file is neither JSON nor YAML"],
  [{ name: "chat", historyCountMax: 100_001 }, "history_count_max: 100001 is not from 1 to 100000"],
  [{ name: "game" }, "mode: 0 is not a mode"],
])("class apply: %j is refused with exit code 2 and the reason", async (input, reason) => {
  const refused = await newTenant()(apply, input);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain(reason);
  expect(refused.stderr.trimEnd().split("\n").length).toBeLessThanOrEqual(2);
});

test("class apply: reads a file, and names one that is not there", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, "class.json");
  writeFileSync(file, JSON.stringify({ name: "game", mode: "durable" }));
  const run = newTenant();
  expect((await run(["apply", "-f", file])).stdout).toContain("class game created");
  const missing = await run(["apply", "-f", path.join(folder, "none.json")]);
  expect(missing.code).toBe(2);
  expect(missing.stderr).toContain("the file can not be read: ENOENT");
});

test("class delete: deletes, resets a built-in one, and refuses the rest", async () => {
  const run = newTenant();
  await run(apply, [
    { name: "game", mode: "durable" },
    { name: "chat", historyCountMax: 5 },
  ]);
  expect((await run(["delete", "game", "--dry-run"])).stdout).toContain("dry run");
  expect((await run(["delete", "game", "--etag", "999999"])).code).toBe(6);
  expect((await run(["delete", "game"])).stdout).toBe("class game deleted\n");
  expect((await run(["delete", "game"])).code).toBe(5);
  expect((await run(["delete", "chat"])).stdout).toContain("reset to its built-in settings");
  expect((await run(["delete", "chat"])).code).toBe(6);
});

test("class: an unreachable control plane ends with exit code 3 and says how to mend it", async () => {
  const ended = await runProcess(["class", "list", "--control", "127.0.0.1:1"]);
  expect(ended).toMatchObject({ code: 3, stdout: "" });
  expect(ended.stderr).toContain(
    "the control plane at 127.0.0.1:1 can not be reached: ECONNREFUSED",
  );
  expect(ended.stderr).toContain("--control host:port or TIDEGATE_CONTROL");
  expect(ended.stderr).not.toContain("    at ");
});

test.each([
  [["list", "--control", "http://127.0.0.1:1"], "is not"],
  [["get", "No"], "is no class name"],
  [["apply"], "required option"],
])("class %j: is a usage error", async (args, reason) => {
  const ended = await newTenant()(args);
  expect(ended).toMatchObject({ code: 2, stdout: "" });
  expect(ended.stderr).toContain(reason);
});
