/** The replay, short: three clients lose nothing over cuts and a kill -9; a loss is seen. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { NODE_FLAGS } from "../../../deploy/node-flags.ts";
import { findChromium } from "../../../examples/chromium.ts";
import type { Outcome } from "../../../examples/replay/run.ts";
import { from } from "../../tidy/source.ts";

/** A run is short, but it starts a server, two processes and a browser, maybe on a busy machine. */
const TIME_LIMIT_MS = 120_000;

const consumers = [
  "Node",
  ...(existsSync(from(".cache/venv/bin/python")) ? ["Python"] : []),
  ...(findChromium(process.env.CHROMIUM) === null ? [] : ["Chromium"]),
];

async function replay(...args: string[]) {
  const main = from("examples/replay/main.ts");
  const { code, stdout, stderr } = await new Promise<{
    code: unknown;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    const node = [...NODE_FLAGS, main, ...args];
    execFile(process.execPath, node, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
  return { code, stdout, stderr };
}

const read = (text: string) => JSON.parse(text) as Outcome & { readonly ok: boolean };

test(
  "replay: no consumer misses, doubles or reorders what was acknowledged",
  async () => {
    const { code, stdout, stderr } = await replay("--seconds", "5", "--json");
    expect(code, stderr).toBe(0);
    const outcome = read(stdout);
    expect(outcome).toMatchObject({ ok: true, killCount: 1 });
    expect(outcome.cutCount).toBe(consumers.length + 2); // of consumers and of two publishers
    expect(outcome.skipped).toHaveLength(3 - consumers.length);
    const { durable: published } = outcome.publishes;
    expect(published.acknowledged).toBeGreaterThan(0);
    const durable = outcome.verdicts.filter((verdict) => verdict.isDurable);
    expect(durable.map((verdict) => verdict.consumer)).toEqual([...consumers, ...consumers]);
    for (const verdict of durable) {
      expect(verdict).toMatchObject({
        missing: 0,
        doubled: 0,
        outOfOrder: 0,
        unexpected: 0,
        gaps: 0,
      });
      expect(verdict.expected).toBeGreaterThan(50);
    }
    for (const name of consumers) {
      const own = durable.filter((verdict) => verdict.consumer === name);
      const recovered = own.reduce((sum, verdict) => sum + verdict.recovered, 0);
      expect(recovered, name).toBeGreaterThan(0); // else nothing was cut while anything was sent
    }
  },
  TIME_LIMIT_MS,
);

test(
  "replay: one message forgotten by a consumer fails the run",
  async () => {
    const { code, stdout } = await replay("--seconds", "5", "--json", "--forget-one-of", "node");
    expect(code).toBe(1);
    const { ok, verdicts } = read(stdout);
    const missing = verdicts.filter((verdict) => verdict.isDurable && verdict.missing > 0);
    expect(ok).toBe(false);
    expect(missing.map(({ consumer, missing }) => ({ consumer, missing }))).toEqual([
      { consumer: "Node", missing: 1 },
    ]);
  },
  TIME_LIMIT_MS,
);

test("replay: a wrong option is refused with its name, value and bounds", async () => {
  const { code, stderr } = await replay("--seconds", "2");
  expect(code).toBe(2);
  expect(stderr).toContain('--seconds is "2"; it must be from 5 to 600');
});
