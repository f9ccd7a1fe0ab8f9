import { defineConfig } from "vitest/config";
import SlowFirst from "./test/run/slow-first.ts";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Each file in its own process: tests kill processes and hold native servers.
    pool: "forks",
    maxWorkers: 2,
    sequence: { sequencer: SlowFirst },
    execArgv: ["--disable-warning=ExperimentalWarning"],
    testTimeout: 30_000,
    // A full disk queue has kept a killed server, and a browser's start, for 30 s.
    hookTimeout: 60_000,
    reporters: ["default"],
  },
});
