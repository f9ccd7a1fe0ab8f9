/**
 * The report of a run, for people.
 */
import type { RunResult } from "./run.ts";
import { VIOLATIONS, type Violation, type ViolationKind } from "./violation.ts";

/** A broken variant, and how it and the product fared in its scene. */
export interface VariantRow {
  readonly name: string;
  readonly rule: string;
  readonly scene: string;
  readonly caughtAs: ViolationKind;
  readonly isCaught: boolean;
  /** What the checker found in the variant, by kind. */
  readonly found: ReadonlyMap<ViolationKind, number>;
  /** What it found in the product. */
  readonly violations: readonly Violation[];
}

/** Violations shown of each kind; the rest are counted. */
const SHOWN_MAX = 5;

/** Tables of faults and counts, and what was violated. */
export function formatResult(result: RunResult): string {
  const { counts, violations, seed, seconds, folder } = result;
  const ms = (us: number) => `${Math.round(us / 1000)} ms`;
  const rows: [string, string | number][] = [
    ["messages acknowledged", counts.acked],
    ["  delivered", counts.delivered],
    ["  missing", counts.missing],
    ["  doubled", counts.doubled],
    ["  reordered", counts.reordered],
    ["  void, shown to nobody", counts.void],
    ["publishes unknown", counts.unknown],
    ["publishes failed", counts.failed],
    ["ephemeral delivered", counts.ephemeralDelivered],
    ["ephemeral lost", counts.ephemeralLost],
    ["longest wait for an ack", ms(counts.longestPublishUs)],
    ["longest pause", ms(counts.longestPauseUs)],
    ["violations", violations.length],
  ];
  return [
    `chaos, ${seconds} s, seed ${seed}`,
    "",
    ...formatFaults(result),
    "",
    ...rows.map(([name, value]) => `  ${name.padEnd(28)}${String(value).padStart(12)}`),
    "",
    ...formatViolations(result),
    ...(folder === null ? [] : [`kept: ${folder}`]),
    "",
  ].join("\n");
}

/** How often each fault was injected, and how long it lasted. */
function formatFaults({ faults }: RunResult): string[] {
  const byName = Map.groupBy(faults, ({ name }) => name);
  const lines = [`  ${"fault".padEnd(22)}${"times".padStart(6)}${"longest".padStart(12)}`];
  for (const [name, spans] of [...byName].sort(([a], [b]) => a.localeCompare(b))) {
    const longest = Math.max(...spans.map(({ fromUs, toUs }) => toUs - fromUs));
    const ms = `${Math.round(longest / 1000)} ms`;
    lines.push(`  ${name.padEnd(22)}${String(spans.length).padStart(6)}${ms.padStart(12)}`);
  }
  return lines;
}

function formatViolations({ violations }: RunResult): string[] {
  const lines: string[] = [];
  for (const [kind, found] of Map.groupBy(violations, (violation) => violation.kind)) {
    lines.push(`${kind} (${VIOLATIONS[kind]}): ${found.length}`);
    for (const { text } of found.slice(0, SHOWN_MAX)) lines.push(`  ${text}`);
    if (found.length > SHOWN_MAX) lines.push(`  … and ${found.length - SHOWN_MAX} more`);
  }
  return lines;
}

/** A row for each variant. */
export function formatVariants(rows: readonly VariantRow[]): string {
  const lines = rows.map(({ name, rule, scene, isCaught, found, violations }) => {
    const kinds = [...found].map(([kind, count]) => `${count} ${kind}`).join(", ");
    const product = violations.length === 0 ? "passes" : "FAILS";
    const columns = [name.padEnd(22), rule.padEnd(8), scene.padEnd(18), product.padEnd(9)];
    return `  ${columns.join("")}${isCaught ? "caught" : "NOT CAUGHT"}: ${kinds || "nothing"}`;
  });
  const faults = rows.flatMap(({ scene, violations }) =>
    violations.map(({ kind, text }) => `  product in ${scene}: ${kind}: ${text}`),
  );
  const columns = ["variant".padEnd(22), "rule".padEnd(8), "scene".padEnd(18), "product".padEnd(9)];
  return [`  ${columns.join("")}variant`, ...lines, ...faults, ""].join("\n");
}
