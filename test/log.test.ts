/**
 * The log of a real process: JSON lines that a machine can search, levels that operators change
 * while it runs, and text for people.
 */
import { expect, onTestFinished, test, vi } from "vitest";
import { runCli } from "./cli/run-cli.ts";
import { RawClient } from "./gateway/raw-client.ts";
import { startServer } from "./start-server.ts";

test("JSON lines with process, connection and tenant; debug for a while, and back", async () => {
  const server = await startServer({ env: { GATEWAY_ID: "noted" } });
  onTestFinished(() => server.close());
  const level = async (...words: string[]) => {
    const args = ["log-level", ...words, "-o", "json"];
    const { code, stdout, stderr } = await runCli(args, { env: { TIDEGATE_CONTROL: server.grpc } });
    expect([code, stderr]).toEqual([0, ""]);
    return JSON.parse(stdout);
  };
  const lines = () =>
    server
      .stderr()
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const usual = { id: "noted", level: "info", usualLevel: "info", leftMs: 0 };
  expect(await level()).toEqual([usual]);
  await (await RawClient.open(server.port)).close();
  expect(await level("debug", "--process", "noted", "--for", "1m")).toMatchObject([
    { level: "debug", usualLevel: "info" },
  ]);
  const seen = await RawClient.open(server.port);
  await seen.close();
  const about = () => lines().filter(({ connection }) => connection === seen.welcome?.connectionId);
  await vi.waitFor(() => expect(about()).toHaveLength(2));
  const shared = { level: "debug", gateway: "noted", tenant: "default" };
  expect(about()).toMatchObject([
    { ...shared, msg: "client connected", time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) },
    { ...shared, msg: "client gone", code: expect.any(Number) },
  ]);
  expect(await level("usual")).toEqual([usual]);
  expect(lines().filter(({ level: each }) => each === "debug")).toEqual(about());
  const changes = lines().filter(({ msg }) => msg === "the level of the log has changed");
  expect(changes).toMatchObject([
    { level: "info", least: "debug", before: "info" },
    { level: "info", least: "info", before: "debug" },
  ]);
});
