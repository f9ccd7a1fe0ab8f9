/**
 * `tidegatectl gates …` against a real server, whose gateway holds clients to what was applied.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { RawClient } from "../gateway/raw-client.ts";
import { type Server, startServer } from "../start-server.ts";
import { runCli } from "./run-cli.ts";

let server: Server;

beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.close());

const run = (args: string[], input = "") =>
  runCli(["gates", ...args], { env: { TIDEGATE_CONTROL: server.grpc }, input });
const minimum = {
  ...{ name: "game-2", client: "game", required: ">=2.1.0", action: "refuse" },
  ...{ message: "Please update", downloadUrl: "https://example.com/get" },
};
const build = (version: string) => ({ name: "game", version, platform: "ios" });

test("gates: a dry run says who would be affected, apply does it, delete undoes it", async () => {
  const old = await RawClient.open(server.port, { build: build("2.0.0") });
  const recent = await RawClient.open(server.port, { build: build("2.1.0") });
  const file = JSON.stringify(minimum);
  const dry = await run(["apply", "-f", "-", "--dry-run"], file);
  expect(dry.stdout).toBe(
    [
      "gate game-2 created (dry run, nothing was written)",
      "1 of 2 open connections would be affected",
      "CLIENT  VERSION  PLATFORM  NOW    THEN    ROOMS  CONNECTIONS",
      "game    2.0.0    ios       allow  refuse  -      1",
      "",
    ].join("\n"),
  );
  expect((await run(["list"])).stdout.trim().split("\n")).toHaveLength(1);
  expect((await run(["apply", "-f", "-"], file)).stdout).toBe("gate game-2 created\n");
  expect((await old.closed).code).toBe(4507);
  await recent.settle();
  expect((await run(["apply", "-f", "-"], file)).stdout).toBe("gate game-2 unchanged\n");
  const { stdout: yaml } = await run(["get", "game-2", "-o", "yaml"]);
  expect((await run(["apply", "-f", "-", "-o", "json"], yaml)).stdout).toContain('"unchanged"');
  expect((await run(["list"])).stdout).toContain("game-2  game     not >=2.1.0  refuse");
  const changed = await run(["apply", "-f", "-"], JSON.stringify({ ...minimum, percent: 0 }));
  expect(changed.stdout).toBe("gate game-2 changed\n");
  expect((await run(["delete", "game-2"])).stdout).toBe("gate game-2 deleted\n");
  expect(await run(["get", "game-2"])).toMatchObject({ code: 5 });
  await recent.close();
}, 60_000);

test("gates test: what a client would get, and why, also of a gate that is only tried", async () => {
  const tried = await run(
    ["test", "game@2.0.0", "--platform", "ios", "--room", "chat:lobby", "-f", "-"],
    JSON.stringify(minimum),
  );
  expect(tried.stdout).toBe(
    [
      "connection: refuse; by game-2; wanted: >=2.1.0; Please update; https://example.com/get",
      "room: allow",
      "joins: chat:lobby",
      "",
      "GATE    CONCERNS  WHY",
      'game-2  decides   version "2.0.0" is not in >=2.1.0',
      "",
    ].join("\n"),
  );
  const json = await run(["test", "game@9.0.0", "-o", "json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({ connection: { action: "allow" }, findings: [] });
});

test("gates: what is wrong with a file is told by its path, and nothing is changed", async () => {
  const two = [minimum, { ...minimum, name: "other", required: ">=two", percent: 200 }];
  const refused = await run(["apply", "-f", "-"], JSON.stringify(two));
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain('required: ">=two" is no semantic version range');
  expect(refused.stderr).toContain("percent: 200 is not from 0 to 100");
  expect((await run(["list", "-o", "json"])).stdout).toBe("[]\n");
});

test.each([
  ["{", "the file is neither JSON nor YAML"],
  ["[]", "the file holds no gate"],
  ["[1]", "entry 1 of the file is not an object"],
  ['{"name": "Game"}', 'name is "Game"'],
  ['{"name": "a", "minimum": "2"}', 'gate "a": there is no field "minimum"'],
  ['{"name": "a", "action": "block"}', 'gate "a": action is "block"'],
  ['{"name": "a", "required": 2.1}', 'gate "a": required is 2.1'],
  ['{"name": "a", "percent": "10"}', 'gate "a": percent is "10"'],
  ['{"name": "a", "roomClasses": "chat"}', 'gate "a": roomClasses is "chat"'],
  ['{"name": "a", "sets": [{"name": "b"}]}', 'gate "a": sets is [{"name":"b"}]'],
  ['[{"name": "a"}, {"name": "a"}]', "the file has gates/a twice"],
])("gates apply: %s is refused before anything is asked", async (input, told) => {
  const refused = await run(["apply", "-f", "-"], input);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain(told);
});

test("gate: is another word for gates", async () => {
  const env = { TIDEGATE_CONTROL: server.grpc };
  const { stdout } = await runCli(["gate", "test", "game@2.0.0"], { env });
  expect(stdout).toBe("connection: allow\n");
});

test("gates: build and name on the command line are checked", async () => {
  expect((await run(["test", "game"])).stderr).toContain('"game" is no build');
  expect((await run(["get", "Game"])).stderr).toContain('"Game" is no gate\'s name');
});
