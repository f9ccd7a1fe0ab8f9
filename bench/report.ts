/**
 * What a bench hands back, and how it is shown to people.
 */

/** Several measurements of one thing. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

/** One row of a table: column name to cell. */
export type Row = Readonly<Record<string, string | number>>;

export interface BenchReport {
  readonly bench: string;
  /** By the names that bench/targets.json uses. */
  readonly measures: Readonly<Record<string, Spread>>;
  /** Every run with all its figures, for --json. */
  readonly runs: readonly unknown[];
  /** For people. */
  readonly rows: readonly Row[];
  /** Hash of the work: equal for equal work, whoever did it (style rule 19). */
  readonly hash: string;
  /** What makes the figures void: lost messages, errors, a generator that was the bottleneck. */
  readonly problems: readonly string[];
  /** What a reader should know, and that voids nothing. */
  readonly notes: readonly string[];
}

/** Median, range and count; all 0 for no values. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const n = sorted.length;
  const low = sorted[Math.floor((n - 1) / 2)] ?? 0;
  const high = sorted[Math.floor(n / 2)] ?? 0;
  return { median: (low + high) / 2, min: sorted[0] ?? 0, max: sorted[n - 1] ?? 0, n };
}

/** Three significant digits; whole numbers from 1000 on. */
export function shown(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(3)));
}

/** "median (min to max)". */
export function shownSpread(spread: Spread): string {
  if (spread.n < 2) return shown(spread.median);
  return `${shown(spread.median)} (${shown(spread.min)} to ${shown(spread.max)})`;
}

/** A text table; the columns are those of the first row. Numbers are flush right. */
export function formatTable(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const cells = rows.map((row) => columns.map((name) => cellText(row[name])));
  const widths = columns.map((name, i) =>
    Math.max(name.length, ...cells.map((line) => line[i]?.length ?? 0)),
  );
  const isText = columns.map((name) => rows.every((row) => typeof row[name] === "string"));
  const lineOf = (line: readonly string[]): string =>
    line
      .map((text, i) => (isText[i] ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("  ");
  return [lineOf(columns), rule, ...cells.map(lineOf)].join("\n");
}

function cellText(value: string | number | undefined): string {
  return typeof value === "number" ? shown(value) : (value ?? "");
}
