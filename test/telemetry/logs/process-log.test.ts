/** The process's log: levels for a while, floods, counts. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { SAME_LINES_MAX, WINDOW_MS } from "../../../telemetry/logs/flood-gate.ts";
import { LEVEL_MS_MAX } from "../../../telemetry/logs/log-level.ts";
import { ProcessLog } from "../../../telemetry/logs/process-log.ts";

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function openTestLog() {
  const lines: [level: string, text: string, fields: object][] = [];
  const write = (level: string, fields: object, text: string) => {
    lines.push([level, text, fields]);
  };
  return { log: new ProcessLog(write, "info"), lines };
}

test("a level for a while: said in the log, then the usual one is in force by itself", () => {
  const { log, lines } = openTestLog();
  log.debug({}, "unseen");
  expect(log.level).toEqual({ level: "info", usual: "info", leftMs: 0 });
  log.setLevel("debug", 60_000);
  log.debug({}, "seen");
  vi.advanceTimersByTime(59_000);
  expect(log.level).toEqual({ level: "debug", usual: "info", leftMs: 1000 });
  vi.advanceTimersByTime(1000);
  expect(log.level).toEqual({ level: "info", usual: "info", leftMs: 0 });
  log.debug({}, "unseen");
  log.setLevel("error", 60_000);
  log.warn({}, "unseen");
  log.setLevel(null, 0);
  log.warn({}, "seen again");
  const changed = "the level of the log has changed";
  expect(lines.map(([level, text]) => `${level} ${text}`)).toEqual([
    ...[`info ${changed}`, "debug seen", `info ${changed}`, `info ${changed}`, "warn seen again"],
  ]);
  expect(lines[0]?.[2]).toEqual({ least: "debug", before: "info", usual: "info", forMs: 60_000 });
  expect(log.counters.lines).toEqual({ debug: 1, info: 0, warn: 1, error: 0 });
});

test("a level ends after a day at most, and a new one begins its time anew", () => {
  const { log } = openTestLog();
  log.setLevel("debug", Number.MAX_SAFE_INTEGER);
  expect(log.level.leftMs).toBe(LEVEL_MS_MAX);
  log.setLevel("warn", 1000);
  vi.advanceTimersByTime(999);
  expect(log.level.level).toBe("warn");
  vi.advanceTimersByTime(1);
  expect(log.level.level).toBe("info");
});

test("a flood is some lines a second and a count; all lines are counted", () => {
  const { log, lines } = openTestLog();
  const flood = (count: number) => {
    for (let i = 0; i < count; i += 1) log.warn({ i }, "full");
  };
  flood(5000);
  expect(lines).toHaveLength(SAME_LINES_MAX);
  log.warn({}, "something else");
  expect(lines.at(-1)?.[1]).toBe("something else");
  vi.advanceTimersByTime(WINDOW_MS);
  const repeated = 5000 - SAME_LINES_MAX;
  expect(lines.at(-1)).toEqual(["warn", "full", { i: 4999, repeated }]);
  expect(log.counters).toEqual({
    lines: { debug: 0, info: 0, warn: 5001, error: 0 },
    collapsed: repeated,
  });
  flood(3 + SAME_LINES_MAX);
  log.flush(); // before the process ends
  expect(lines.at(-1)?.[2]).toMatchObject({ repeated: 3 });
  vi.advanceTimersByTime(10 * WINDOW_MS);
  expect(lines).toHaveLength(2 * SAME_LINES_MAX + 3);
});
