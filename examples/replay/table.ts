/**
 * The result for people: one table for durable rooms, one for ephemeral ones.
 *
 * Pure.
 */
import { isKept, type RoomVerdict } from "./judge.ts";
import type { Outcome, OutcomeCounts } from "./run.ts";

type Column = readonly [title: string, cell: (verdict: RoomVerdict) => string | number];

const who: readonly Column[] = [
  ["consumer", (verdict) => verdict.consumer],
  ["room", (verdict) => verdict.room],
];
const faults: readonly Column[] = [
  ["doubled", (verdict) => verdict.doubled + verdict.unexpected],
  ["out of order", (verdict) => verdict.outOfOrder],
];
const latencies: readonly Column[] = [
  ["p50 ms", (verdict) => verdict.p50Ms.toFixed(1)],
  ["p99 ms", (verdict) => verdict.p99Ms.toFixed(1)],
];
const durable: readonly Column[] = [
  ...who,
  ["expected", (verdict) => verdict.expected],
  ["received", (verdict) => verdict.received],
  ["missing", (verdict) => verdict.missing],
  ...faults,
  ["recovered", (verdict) => verdict.recovered],
  ...latencies,
  ["", (verdict) => (isKept(verdict) ? "ok" : "FAULT")],
];
const ephemeral: readonly Column[] = [
  ...who,
  ["sent", (verdict) => verdict.expected],
  ["received", (verdict) => verdict.received],
  ["lost", (verdict) => verdict.missing],
  ...faults,
  ["gaps told", (verdict) => verdict.gaps],
  ...latencies,
  ["", (verdict) => (isKept(verdict) ? "ok" : "FAULT")],
];

/** All of it as text. */
export function formatOutcome(outcome: Outcome): string {
  const { verdicts, publishes, skipped, cutCount, restartMs, seconds } = outcome;
  const lines = [
    `In ${seconds} s: ${cutCount} connections cut, the server killed with kill -9 once and ready ` +
      `again after ${restartMs} ms.`,
    `Publishes into durable rooms: ${formatCounts(publishes.durable)}.`,
    `Publishes into the ephemeral room: ${formatCounts(publishes.ephemeral)}.`,
    "",
    "Durable rooms: every acknowledged message, once, in one order for all.",
    ...formatTable(
      durable,
      verdicts.filter((verdict) => verdict.isDurable),
    ),
    "",
    "Ephemeral rooms: at most once; what was sent while a consumer was away is lost, as promised.",
    ...formatTable(
      ephemeral,
      verdicts.filter((verdict) => !verdict.isDurable),
    ),
    "",
    "Latency is from the call of publish to the consumer's loop, outages included.",
    ...skipped.map((text) => `Left out: ${text}.`),
  ];
  return `${lines.join("\n")}\n`;
}

function formatCounts({ acknowledged, unknown, failed }: OutcomeCounts): string {
  return `${acknowledged} acknowledged, ${unknown} of unknown outcome, ${failed} failed`;
}

function formatTable(columns: readonly Column[], verdicts: readonly RoomVerdict[]): string[] {
  const rows = [
    columns.map(([title]) => title),
    ...verdicts.map((verdict) => columns.map(([, cell]) => String(cell(verdict)))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => (at < 2 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
