/**
 * One clock for all processes of a bench: microseconds of CLOCK_MONOTONIC.
 *
 * process.hrtime() reads that clock, but costs an array or a BigInt a call; performance.now() is
 * the same clock counted from the start of the process, so one offset joins the two.
 */

/** Tries to read both at one instant; the closest counts: a switch between would be ms off. */
const OFFSET_TRIES = 50;

const offsetUs = readOffset();

/** Now, microseconds since the machine started; comparable between processes of one machine. */
export function monotonicUs(): number {
  return performance.now() * 1000 + offsetUs;
}

function readOffset(): number {
  let offset = 0;
  let closest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < OFFSET_TRIES; i += 1) {
    const before = performance.now();
    const monotonicNs = process.hrtime.bigint();
    const after = performance.now();
    if (after - before >= closest) continue;
    closest = after - before;
    offset = Number(monotonicNs) / 1000 - ((before + after) / 2) * 1000;
  }
  return offset;
}
