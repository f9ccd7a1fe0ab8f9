/**
 * Makes this process's clocks wrong, as a client's may be: the wall clock by hours, the monotonic
 * one by some parts in a thousand. To be called before anything reads a clock.
 */
import type { ClockSkew } from "./lines.ts";

/** Bends Date.now and performance.now; process.hrtime stays true, for the history. */
export function skewClocks({ wallMs, rate }: ClockSkew): void {
  const wallNow = Date.now.bind(Date);
  Date.now = () => wallNow() + wallMs;
  const monotonicNow = performance.now.bind(performance);
  const startMs = monotonicNow();
  performance.now = () => startMs + (monotonicNow() - startMs) * rate;
}
