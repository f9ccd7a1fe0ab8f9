/**
 * `tidegatectl limits …` against a real server, whose gateway holds clients to what was set.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { attempt, tryJoin, until } from "../gateway/seats/quota-tools.ts";
import { type Server, startServer } from "../start-server.ts";
import { runCli } from "./run-cli.ts";

let server: Server;

beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server?.close());

const run = (...args: string[]) =>
  runCli(["limits", ...args], { env: { TIDEGATE_CONTROL: server.grpc } });

test("limits: set, get, list and unset, and clients are held to them", async () => {
  expect((await run("list")).stdout).toBe(
    [
      "LIMIT                      VALUE  USED  ON OUTAGE",
      "bytes-per-second           none   -     -",
      "connections                none   -     -",
      "connections-per-ip         none   -     -",
      "connections-per-user       none   -     -",
      "connects-per-second        none   -     -",
      "frame-bytes                none   -     -",
      "frames-per-second          none   -     -",
      "in-flight                  none   -     -",
      "rooms                      none   -     -",
      "stored-bytes               none   -     -",
      "user-publishes-per-second  none   -     -",
      "",
    ].join("\n"),
  );
  const dry = await run("set", "connections-per-ip", "2", "--dry-run");
  expect(dry.stdout).toContain("nothing was changed");
  const set = await run("set", "connections-per-ip", "2", "--on-outage", "fail-open", "-o", "json");
  expect(JSON.parse(set.stdout)).toMatchObject({
    ...{ name: "connections-per-ip", value: 2, used: 0, onOutage: "fail-open" },
  });
  await run("set", "rooms", "1");
  const clients = await Promise.all([1, 2, 3, 4].map(() => attempt(server.port)));
  const [first, ...more] = clients.filter(({ isAdmitted }) => isAdmitted);
  expect(more).toHaveLength(1);
  if (first === undefined) throw new Error("nobody");
  expect(await tryJoin(first.client, "live:a")).toBe(null);
  expect(await tryJoin(first.client, "live:b")).toMatchObject({ limit: "rooms", limitValue: 1n });
  const got = await run("get", "connections-per-ip");
  expect(got.stdout).toContain("connections-per-ip  2      2     fail-open");
  const rate = await run("set", "frames-per-second", "50");
  expect(rate.stdout).toContain("frames-per-second  50     -     -");
  const below = await run("set", "connections-per-ip", "1");
  expect(below.code).not.toBe(0);
  expect(below.stderr).toContain("LIMIT_BELOW_USE");
  expect(below.stderr).toContain("--allow-below-use");
  expect((await run("unset", "connections-per-ip")).stdout).toBe("connections-per-ip: no limit\n");
  await until(async () => (await attempt(server.port)).isAdmitted);
}, 60_000);

test("limits: what can not be is told with what to do", async () => {
  const none = await run("set", "cows", "3");
  expect(none).toMatchObject({ code: 2 });
  expect(none.stderr).toContain("connections-per-user");
  const zero = await run("set", "rooms", "0");
  expect(zero.stderr).toContain("1 or more");
  const stale = await run("set", "connections", "9", "--etag", "12345");
  expect(stale.code).toBe(6);
});
