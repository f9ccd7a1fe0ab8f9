/**
 * `top` as lines of a terminal: sums, then gateways, rooms and slow connections, each with as many
 * rows as there is room for.
 *
 * Pure.
 */
import { type Cell, type Colour, type Column, cutTo, gridLines, paint, textWidth } from "./grid.ts";
import { compact, formatBytes, formatSpan, shortBytes } from "./human-units.ts";
import type { ScreenSize } from "./screen.ts";
import { shareRows } from "./share-rows.ts";
import type { GatewayRow, Picture } from "./top-picture.ts";

/** How it is drawn. */
export interface ViewStyle {
  readonly size: ScreenSize;
  readonly hasColour: boolean;
  /** First words of the first line. */
  readonly title: string;
  /** Right end of the first line. */
  readonly clock: string;
  /** The last line; empty for none. */
  readonly footer: string;
  /** A trouble takes the footer's place. */
  readonly trouble: string;
}

/**
 * Values from which on a cell is painted: the limits of scale advice (docs/control-plane.md), and
 * half of each.
 */
const LIMITS = { loopDelayMs: 100, busLagMs: 250, share: 0.95 } as const;
/** Lines of sums; a blank line and the footer; a blank line and the head of each section. */
const ROWS = { sums: 2, footer: 2, section: 2 } as const;
/** A section that has more is left out with fewer: one entry, and how many there are more. */
const SECTION_ROWS_MIN = 2;

/** A table: its head, and its lines. */
interface Section {
  readonly head: string;
  readonly entries: readonly string[];
}

/** The lines, as many as `size.rows` at most, none wider than `size.columns` - 1. */
export function topLines(picture: Picture, style: ViewStyle): string[] {
  const { size, hasColour, trouble, footer } = style;
  // The last column stays free: a terminal may go to the next line when it is written.
  const width = Math.max(1, size.columns - 1);
  const sections = [
    gatewaySection(picture, width, hasColour),
    roomSection(picture, width, hasColour),
    slowSection(picture, width, hasColour),
  ];
  const shares = shareScreen(
    size.rows,
    sections.map(({ entries }) => entries.length),
  );
  const lines = [
    ...headLines(picture, style, width),
    ...shares.flatMap((share, at) => {
      const { head, entries } = sections[at] ?? { head: "", entries: [] };
      return ["", head, ...cutEntries(entries, share)];
    }),
  ];
  const isTrouble = trouble !== "";
  const last = cutTo(isTrouble ? trouble : footer, width);
  const end = last === "" ? [] : ["", paint(last, isTrouble ? "bad" : "dim", hasColour)];
  return [...lines.slice(0, Math.max(0, size.rows - end.length)), ...end];
}

/** Rows of each section that is shown; on a low screen the last ones are not. */
function shareScreen(rows: number, wanted: readonly number[]): number[] {
  for (let count = wanted.length; ; count -= 1) {
    const some = wanted.slice(0, count);
    const available = rows - ROWS.sums - ROWS.footer - count * ROWS.section;
    const least = some.reduce((sum, want) => sum + Math.min(want, SECTION_ROWS_MIN), 0);
    if (count <= 1 || available >= least) return shareRows(available, some);
  }
}

function headLines({ sums }: Picture, { title, clock, hasColour }: ViewStyle, width: number) {
  const away = sums.gateways - sums.serving - sums.silent;
  const counts = [
    `${sums.gateways} gateway${sums.gateways === 1 ? "" : "s"}`,
    ...(away > 0 ? [`${away} not serving`] : []),
    ...(sums.silent > 0 ? [`${sums.silent} silent`] : []),
    ...(sums.builds.length > 1 ? [`${sums.builds.length} builds`] : []),
    `${sums.controlPlanes} control`,
  ];
  const first = `${title}  ${counts.join(", ")}`;
  const second = [
    `${compact(sums.connections)} connections`,
    `${compact(sums.publishRate)}/s in`,
    `${compact(sums.deliveryRate)}/s out`,
    `${compact(sums.slowConnections)} slow`,
    `loop max ${compact(sums.loopDelayMsMax)} ms`,
    `bus max ${compact(sums.busLagMsMax)} ms`,
  ].join("  ");
  const head = cutTo(first, Math.max(1, width - clock.length - 1));
  const spaces = Number.isFinite(width) ? width - textWidth(head) - clock.length : 0;
  const line = clock === "" ? head : `${head}${" ".repeat(Math.max(1, spaces))}${clock}`;
  return [paint(cutTo(line, width), "bold", hasColour), cutTo(second, width)];
}

const gatewayColumns: readonly Column[] = [
  { head: "GATEWAY", isNumber: false, rank: 0, cutTo: 8 },
  { head: "STATE", isNumber: false, rank: 0, cutTo: 0 },
  { head: "CONNS", isNumber: true, rank: 0, cutTo: 0 },
  { head: "ROOMS", isNumber: true, rank: 1, cutTo: 0 },
  { head: "IN/S", isNumber: true, rank: 0, cutTo: 0 },
  { head: "OUT/S", isNumber: true, rank: 0, cutTo: 0 },
  { head: "CPU", isNumber: true, rank: 0, cutTo: 0 },
  { head: "LOOP", isNumber: true, rank: 0, cutTo: 0 },
  { head: "BUS", isNumber: true, rank: 0, cutTo: 0 },
  { head: "MEM", isNumber: true, rank: 0, cutTo: 0 },
  { head: "SLOW", isNumber: true, rank: 0, cutTo: 0 },
  { head: "BUILD", isNumber: false, rank: 0, cutTo: 5 },
  { head: "REGION", isNumber: false, rank: 3, cutTo: 0 },
  { head: "MEMBERS", isNumber: true, rank: 4, cutTo: 0 },
  { head: "CONFIG", isNumber: true, rank: 2, cutTo: 0 },
  { head: "UP", isNumber: true, rank: 5, cutTo: 0 },
];

function gatewaySection({ gateways }: Picture, width: number, hasColour: boolean): Section {
  return sectionOf(gatewayColumns, gateways.map(gatewayCells), width, hasColour, "no gateway");
}

function gatewayCells(row: GatewayRow): Cell[] {
  const { facts } = row;
  const full = facts.connectionCount / Math.max(1, facts.connectionCountMax);
  const cells = [
    cell(row.id),
    stateCell(row),
    cell(compact(facts.connectionCount), levelOf(full, 1)),
    cell(compact(facts.roomCount)),
    cell(compact(facts.publishRate)),
    cell(compact(facts.deliveryRate)),
    cell(`${Math.round(facts.cpuShare * 100)}%`, levelOf(facts.cpuShare, LIMITS.share, 0.8)),
    cell(milliseconds(facts.loopDelayMs), levelOf(facts.loopDelayMs, LIMITS.loopDelayMs)),
    cell(milliseconds(facts.busLagMs), levelOf(facts.busLagMs, LIMITS.busLagMs)),
    cell(shortBytes(facts.rssBytes)),
    cell(compact(facts.slowConnectionCount), facts.slowConnectionCount > 0 ? "warn" : "plain"),
    cell(row.version || "-"),
    cell(facts.region || "-"),
    cell(compact(facts.memberCount)),
    cell(facts.configVersion === 0 ? "-" : formatSpan(facts.configAgeMs)),
    cell(formatSpan(row.upMs)),
  ];
  // What a silent one said last may be long over.
  return row.state === "live" ? cells : cells.map((each, at) => (at === 1 ? each : dimmed(each)));
}

function stateCell({ state, renewalAgeMs, facts }: GatewayRow): Cell {
  if (state !== "live") return cell(`${state} ${formatSpan(renewalAgeMs)}`, "bad");
  const isServing = facts.serving === "serving";
  return cell(facts.serving, isServing ? "good" : "warn");
}

const roomColumns: readonly Column[] = [
  { head: "ROOM", isNumber: false, rank: 0, cutTo: 12 },
  { head: "TENANT", isNumber: false, rank: 1, cutTo: 8 },
  { head: "MEMBERS", isNumber: true, rank: 0, cutTo: 0 },
  { head: "GATEWAYS", isNumber: true, rank: 2, cutTo: 0 },
  { head: "MSG/S", isNumber: true, rank: 0, cutTo: 0 },
  { head: "OUT/S", isNumber: true, rank: 0, cutTo: 0 },
];

function roomSection(
  { rooms, activityTrouble }: Picture,
  width: number,
  hasColour: boolean,
): Section {
  const rows = rooms.map((each) => [
    ...[cell(each.room), cell(each.tenant), cell(compact(each.memberCount))],
    ...[cell(compact(each.gatewayCount)), cell(compact(each.messageRate))],
    cell(compact(each.deliveryRate)),
  ]);
  const none = activityTrouble || "no messages in the last 10 s";
  return sectionOf(roomColumns, rows, width, hasColour, none);
}

const slowColumns: readonly Column[] = [
  { head: "SLOW CONNECTION", isNumber: false, rank: 0, cutTo: 15 },
  { head: "USER", isNumber: false, rank: 0, cutTo: 8 },
  { head: "TENANT", isNumber: false, rank: 1, cutTo: 8 },
  { head: "GATEWAY", isNumber: false, rank: 2, cutTo: 8 },
  { head: "ROOMS", isNumber: true, rank: 0, cutTo: 0 },
  { head: "BEHIND", isNumber: true, rank: 0, cutTo: 0 },
  { head: "WAITING", isNumber: true, rank: 0, cutTo: 0 },
];

function slowSection(picture: Picture, width: number, hasColour: boolean): Section {
  const rows = picture.slowConnections.map((each) => [
    ...[cell(each.connection), cell(each.user || "-"), cell(each.tenant), cell(each.gateway)],
    ...[cell(compact(each.roomCount)), cell(formatSpan(each.behindMs))],
    cell(formatBytes(each.bufferedBytes)),
  ]);
  const missing = picture.silentGateways.join(", ");
  const none = picture.activityTrouble || (missing === "" ? "none" : `not known of ${missing}`);
  return sectionOf(slowColumns, rows, width, hasColour, none);
}

function sectionOf(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  hasColour: boolean,
  none: string,
): Section {
  const [head = "", ...lines] = gridLines(columns, rows, width, hasColour);
  const empty = paint(cutTo(none, width), "dim", hasColour);
  return { head, entries: lines.length === 0 ? [empty] : lines };
}

/** The first entries; the last row says how many there are more. */
function cutEntries(entries: readonly string[], rows: number): readonly string[] {
  if (entries.length <= rows) return entries;
  if (rows === 0) return [];
  return [...entries.slice(0, rows - 1), `… ${entries.length - rows + 1} more`];
}

function cell(text: string, colour: Colour = "plain"): Cell {
  return { text, colour };
}

function dimmed({ text }: Cell): Cell {
  return { text, colour: "dim" };
}

/** Whole ones: less is no news. */
function milliseconds(ms: number): string {
  return `${compact(Math.round(ms))}ms`;
}

/** How near a value is to its limit. */
function levelOf(value: number, limit: number, warnAt = limit / 2): Colour {
  if (value >= limit) return "bad";
  return value >= warnAt ? "warn" : "plain";
}
