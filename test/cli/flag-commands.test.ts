/**
 * `tidegatectl flags …` against a real server with clients connected.
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

const run = (args: string[], stdin = "") =>
  runCli(["flags", ...args], { input: stdin, env: { TIDEGATE_CONTROL: server.grpc } });

const define = (version: string) =>
  JSON.stringify({
    metadata: { client: true },
    flags: {
      "new-ui": {
        ...{ state: "ENABLED", variants: { on: true, off: false }, defaultVariant: "off" },
        targeting: { if: [{ sem_ver: [{ var: "client.version" }, ">=", version] }, "on"] },
      },
    },
  });

test("flags: apply, list, get, test, exposures and delete, and clients get them", async () => {
  const applied = await run(["apply", "web", "-f", "-"], define("3.0.0"));
  expect(applied.stdout).toContain("flags web applied, etag ");
  expect(applied.stdout).toMatch(/new-ui +enabled +on,off +off +yes +yes/);
  expect((await run(["list"])).stdout).toMatch(/^SET .*\nweb +1 +1 +\d{4}-/);
  expect((await run(["get", "web", "--definition"])).stdout).toBe(`${define("3.0.0")}\n`);

  const build = (version: string) => ({ build: { name: "app", version, platform: "node" } });
  const clients = [
    await RawClient.open(server.port, build("1.0.0")),
    await RawClient.open(server.port, build("2.0.0")),
    await RawClient.open(server.port, build("2.0.0")),
  ];
  const [, young] = clients;
  const dry = await run(["apply", "web", "-f", "-", "--dry-run"], define("2.0.0"));
  expect(dry.stdout.split("\n").map((line) => line.replaceAll(/ +/g, " "))).toEqual([
    "CLIENT VERSION PLATFORM CONNECTIONS AFFECTED",
    "app 2.0.0 node 2 2",
    "app 1.0.0 node 1 0",
    "nothing was changed (--dry-run)",
    "",
  ]);
  await run(["apply", "web", "-f", "-"], define("2.0.0"));
  const told = await young?.next("flags");
  expect(told?.flags).toMatchObject([{ key: "new-ui", valueJson: "true" }]);

  const tested = await run(["test", "new-ui", "--client", "app@1.9.0", "--user", "anna"]);
  expect(tested.stdout).toMatch(/new-ui +false +off +DEFAULT +yes +web/);
  expect(tested.stdout).toContain("new-ui: targeting.if[0]");
  const other = ["test", "--set", "web", "-f", "-", "--client", "app@1.9.0", "-o", "json"];
  expect(JSON.parse((await run(other, define("1.5.0"))).stdout)).toMatchObject([
    { key: "new-ui", value: true, reason: "TARGETING_MATCH" },
  ]);

  const exposures = [{ key: "new-ui", variant: "on", count: 3 }];
  young?.send({ $case: "flagExposures", value: { exposures } });
  await young?.settle();
  expect((await run(["exposures"])).stdout).toMatch(/FLAG +VARIANT +COUNT\nnew-ui +on +3\n/);
  for (const client of clients) client.socket.close();
  expect((await run(["delete", "web"])).stdout).toBe("flags web deleted\n");
  expect((await run(["get", "web"])).code).toBe(5);
}, 60_000);

test("flags: what can not be is refused with the path of the fault, and what to do", async () => {
  const bad = define("two");
  const refused = await run(["apply", "bad", "-f", "-"], bad);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("flag_set.definition.flags.new-ui.targeting.if[0].sem_ver[2]");
  expect((await run(["get", "Bad"])).stderr).toContain("[a-z][a-z0-9-]{0,31}");
  expect((await run(["test", "-f", "-"], bad)).stderr).toContain("--set");
  expect((await run(["test", "--attribute", "plan"])).stderr).toContain("plan=gold");
  expect((await run(["test", "nope"])).stderr).toContain('there is no flag "nope"');
}, 60_000);
