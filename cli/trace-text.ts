/**
 * A trace as a time line: who did what, when, for how long, and inside of what. Pure.
 */
import { type Span, SpanKind } from "../proto/gen/tidegate/control/v1/trace.ts";
import { formatMicros } from "./human-units.ts";
import { missingText } from "./rooms-text.ts";

/** A span as printed for programs. */
export type SpanText = ReturnType<typeof spanText>;

/** A trace as printed for programs. */
export interface TraceText {
  readonly traceId: string;
  readonly spans: readonly SpanText[];
  readonly hasMore: boolean;
  readonly silentGateways: readonly string[];
}

/** Where it is printed. */
export interface Canvas {
  /** Characters of a line. */
  readonly width: number;
  /** Whether it shows colours. */
  readonly hasColours: boolean;
}

/** A span and how deep it is. */
interface Row {
  readonly span: SpanText;
  /** What stands before its name: "│ └ ". */
  readonly branch: string;
}

const kinds: Readonly<Record<number, string>> = {
  [SpanKind.INTERNAL]: "internal",
  [SpanKind.SERVER]: "server",
  [SpanKind.CLIENT]: "client",
  [SpanKind.PRODUCER]: "producer",
  [SpanKind.CONSUMER]: "consumer",
};
/** Of bars; 39 is the terminal's own. */
const colours: Readonly<Record<string, number>> = {
  ...{ server: 34, client: 35, producer: 36, consumer: 32 },
};
const [bold, faint, red, plain] = [1, 2, 31, 39] as const;
/** Characters of the time line: below, lengths can not be compared; above, eyes lose the row. */
const [barWidthMin, barWidthMax] = [16, 60] as const;

/** A span in words. */
export function spanText(span: Span) {
  const { name, spanId, parentSpanId, attributes, links, error } = span;
  return {
    ...{ name, process: span.process.slice("gateways/".length) },
    kind: kinds[span.kind] ?? String(span.kind),
    ...{ spanId, parentSpanId },
    startUs: Number(span.startUs),
    durationUs: Number(span.endUs - span.startUs),
    ...{ attributes, links, error },
  };
}

/** The time line. */
export function timeLine(trace: TraceText, { width, hasColours }: Canvas): string {
  const paint = (colour: number, text: string) =>
    hasColours && text !== "" && colour !== plain ? `\u001b[${colour}m${text}\u001b[0m` : text;
  const rows = inTree(trace.spans);
  const startUs = Math.min(...trace.spans.map((span) => span.startUs));
  const endUs = Math.max(...trace.spans.map((span) => span.startUs + span.durationUs));
  const totalUs = Math.max(1, endUs - startUs);
  const cells = rows.map(({ span, branch }) => [
    ...[branch + span.name, span.process],
    ...[span.startUs === startUs ? "0" : `+${formatMicros(span.startUs - startUs)}`],
    formatMicros(span.durationUs),
  ]);
  const head = ["SPAN", "AT", "START", "TIME"];
  const widths = head.map((word, i) => {
    return Math.max(word.length, ...cells.map((row) => row[i]?.length ?? 0));
  });
  const left = widths.reduce((sum, each) => sum + each + 2, 0);
  const barWidth = Math.max(barWidthMin, Math.min(width - left - 1, barWidthMax));
  const lay = (row: readonly string[]) =>
    row
      .map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ");
  const lines = rows.map(({ span }, i) => {
    const colour = span.error === "" ? (colours[span.kind] ?? plain) : red;
    const text = lay(cells[i] ?? []);
    const bar = barOf(span.startUs - startUs, span.durationUs, totalUs, barWidth);
    return `${span.error === "" ? text : paint(red, text)}  ${paint(colour, bar)}`.trimEnd();
  });
  const scale = scaleOf(formatMicros(totalUs), barWidth);
  return (
    [
      ...titleOf(trace, startUs, totalUs).map((line, i) => paint(i === 0 ? bold : plain, line)),
      "",
      `${lay(head)}  ${paint(faint, scale)}`,
      ...lines,
      ...notesOf(rows, paint),
      "",
    ].join("\n") + missingText(trace.hasMore, trace.silentGateways)
  );
}

/** What it is about, and when. */
function titleOf({ traceId, spans }: TraceText, startUs: number, totalUs: number): string[] {
  const facts: string[] = [];
  const of = (name: string) => spans.find(({ attributes }) => name in attributes)?.attributes[name];
  const [room, tenant] = [of("messaging.destination.name"), of("tidegate.tenant")];
  if (room !== undefined) facts.push(room);
  if (tenant !== undefined) facts.push(`tenant ${tenant}`);
  facts.push(`${countOf(new Set(spans.map(({ process }) => process)).size, "process", "es")}`);
  facts.push(`${countOf(spans.length, "span")} in ${formatMicros(totalUs)}`);
  const micros = String(startUs % 1e6).padStart(6, "0");
  const second = new Date(Math.floor(startUs / 1e6) * 1000).toISOString().slice(0, 19);
  return [`Trace ${traceId}`, facts.join(", "), `${second.replace("T", " ")}.${micros} UTC`];
}

/** "0 ──────── 8.31 ms", as wide as a bar can be. */
function scaleOf(total: string, width: number): string {
  return `0 ${"─".repeat(Math.max(1, width - total.length - 3))} ${total}`;
}

/** What fills the time of a span; a point where that is less than half a character. */
function barOf(fromUs: number, durationUs: number, totalUs: number, width: number): string {
  const from = Math.min(width - 1, Math.floor((fromUs / totalUs) * width));
  const exact = (durationUs / totalUs) * width;
  const length = Math.min(width - from, Math.max(1, Math.round(exact)));
  return " ".repeat(from) + (exact < 0.5 ? "•" : "━".repeat(length));
}

/** Each span below the one that it is inside of, by start. */
function inTree(spans: readonly SpanText[]): Row[] {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const below = Map.groupBy(spans, ({ parentSpanId, spanId }) =>
    known.has(parentSpanId) && parentSpanId !== spanId ? parentSpanId : "",
  );
  const rows: Row[] = [];
  const visit = (parent: string, indent: string, isTop: boolean) => {
    const children = below.get(parent) ?? [];
    below.delete(parent); // a circle ends here
    for (const [i, span] of children.entries()) {
      const isLast = i === children.length - 1;
      rows.push({ span, branch: isTop ? "" : `${indent}${isLast ? "└" : "├"} ` });
      visit(span.spanId, isTop ? "" : `${indent}${isLast ? " " : "│"} `, false);
    }
  };
  visit("", "", true);
  return rows;
}

/** One line for each span that has more to tell. */
function notesOf(rows: readonly Row[], paint: (colour: number, text: string) => string): string[] {
  const notes = rows.flatMap(({ span }) => {
    const [hop = ""] = span.name.split(" ");
    const key = `${hop} ${span.process}`;
    const facts = factsOf(span).join(", ");
    const told = facts === "" ? [] : [{ key, text: facts, colour: plain }];
    return span.error === "" ? told : [...told, { key, text: `✗ ${span.error}`, colour: red }];
  });
  if (notes.length === 0) return [];
  const width = Math.max(...notes.map(({ key }) => key.length));
  return [
    "",
    ...notes.map(
      ({ key, text, colour }) => `${paint(faint, key.padEnd(width))}  ${paint(colour, text)}`,
    ),
  ];
}

/** What its attributes say, in words. */
function factsOf({ attributes, name, parentSpanId }: SpanText): string[] {
  const of = (key: string) => attributes[key];
  const facts: string[] = [];
  const say = (key: string, words: (value: string) => string) => {
    const value = of(key);
    if (value !== undefined) facts.push(words(value));
  };
  say("user.id", (user) => `user ${user}`);
  say("messaging.client.id", (id) => `connection ${id}`);
  say("messaging.message.body.size", (bytes) => `${countOf(Number(bytes), "byte")}`);
  const isSend = name.startsWith("bus.publish ");
  if (isSend) say("messaging.message.id", (id) => `position ${id}`);
  say("tidegate.tries", (tries) => `tried ${tries} times`);
  say("tidegate.duplicate", () => "stored by an earlier try");
  say("tidegate.fanout.recipients", (count) => `to ${countOf(Number(count), "member")}`);
  say("tidegate.fanout.skipped", (count) => (count === "0" ? "" : `${count} skipped as slow`));
  say("tidegate.fanout.bytes", (bytes) => `${countOf(Number(bytes), "byte")} in all`);
  say("messaging.batch.message_count", (count) => `read ${countOf(Number(count), "message")}`);
  say("tidegate.read.outcome", (outcome) => outcome);
  const isAsked = name.startsWith("ingress ") && parentSpanId !== "";
  if (isAsked) facts.push(`asked for by the client's span ${parentSpanId}`);
  return facts.filter((fact) => fact !== "");
}

function countOf(count: number, word: string, plural = "s"): string {
  return `${count} ${word}${count === 1 ? "" : plural}`;
}
