/**
 * Tests that are too long for each change, `npm run test:long`: a quarter of an hour, one file at a
 * time.
 */
import { defineConfig } from "vitest/config";
import base from "./vitest.config.ts";

export default defineConfig({
  test: { ...base.test, include: ["test/**/*.long.ts"], maxWorkers: 1 },
});
