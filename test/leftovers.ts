/**
 * What tests of a file leave behind when they run side by side: `onTestFinished` knows only one
 * test at a time, so all of it ends after the last.
 */
import { afterAll } from "vitest";

/** Adds what is to be done at the end, the last first. Once for a file, after its own afterAll. */
export function collectLeftovers(): (end: () => unknown) => void {
  const ends: (() => unknown)[] = [];
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
  }, 60_000);
  return (end) => void ends.push(end);
}
