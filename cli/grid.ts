/**
 * Tables that fit a width: columns that matter least go first, then words are cut.
 *
 * Pure. What others chose (rooms, users) may be long, wide or hostile: it is cut to its place.
 */

/** A column; its cells are in the rows. */
export interface Column {
  readonly head: string;
  /** Numbers stand right. */
  readonly isNumber: boolean;
  /**
   * 0 stays; of the others the highest is left out first where there is no room: 2 and above before
   * a word is cut, 1 only after.
   */
  readonly rank: number;
  /** Fewest characters to which its words may be cut; 0: never cut. */
  readonly cutTo: number;
}

/** A cell: its text, and how it is painted. */
export interface Cell {
  readonly text: string;
  readonly colour: Colour;
}

/** What a terminal of sixteen colours has, by meaning. */
export type Colour = "plain" | "dim" | "bold" | "good" | "warn" | "bad";

/** Between columns: two spaces where everything fits, else one. */
const gaps = ["  ", " "];
const codes: Readonly<Record<Colour, string>> = {
  plain: "",
  dim: "\u001b[2m",
  bold: "\u001b[1m",
  good: "\u001b[32m",
  warn: "\u001b[33m",
  bad: "\u001b[1;31m",
};

/** Paints text; plain text stays as it is. */
export function paint(text: string, colour: Colour, hasColour: boolean): string {
  return hasColour && codes[colour] !== "" ? `${codes[colour]}${text}\u001b[0m` : text;
}

/** Lines of a table, its head first, none wider than `width`. @param rows cells by column. */
export function gridLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  hasColour: boolean,
): string[] {
  const heads = columns.map(({ head }) => ({ text: head, colour: "bold" as const }));
  const all = [heads, ...rows.map((row) => row.map(cleaned))];
  const natural = naturalWidths(all, columns.length);
  const needed = (between: string) =>
    natural.reduce((sum, each) => sum + each, 0) + between.length * (columns.length - 1);
  const gap = gaps.find((each) => needed(each) <= width) ?? " ";
  const widths = fitWidths(columns, natural, width, gap.length);
  return all.map((row) =>
    row
      .flatMap(({ text, colour }, at) => {
        const room = widths[at] ?? null;
        if (room === null) return [];
        const shown = padded(cutTo(text, room), room, columns[at]?.isNumber === true);
        return [paint(shown, colour, hasColour)];
      })
      .join(gap),
  );
}

/** Text in at most so many columns of a terminal; what is cut ends in "…". */
export function cutTo(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += textWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return width < 1 ? "" : `${kept}…`;
}

const wide = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Hangul}\p{Emoji_Presentation}]/gu;
const wideForms = /[\u3000-\u303f\uff01-\uff60\uffe0-\uffe6]/gu;
const noWidth = /\p{M}/gu;
const control = /[\p{C}\u2028\u2029]/gu;

/** Columns of a terminal that a text takes. */
export function textWidth(text: string): number {
  const bare = text.replace(noWidth, "");
  const doubled = (bare.match(wide)?.length ?? 0) + (bare.match(wideForms)?.length ?? 0);
  return [...bare].length + doubled;
}

function cleaned({ text, colour }: Cell): Cell {
  return { text: text.replace(control, "·"), colour };
}

function naturalWidths(rows: readonly (readonly Cell[])[], count: number): number[] {
  return Array.from({ length: count }, (_, at) =>
    Math.max(0, ...rows.map((row) => textWidth(row[at]?.text ?? ""))),
  );
}

/** Width of each column; null for those that are left out. */
function fitWidths(
  columns: readonly Column[],
  natural: readonly number[],
  width: number,
  gapWidth: number,
): (number | null)[] {
  const widths: (number | null)[] = [...natural];
  const excess = () => {
    const shown = widths.filter((each) => each !== null);
    return shown.reduce((sum, each) => sum + each, 0) + gapWidth * (shown.length - 1) - width;
  };
  const cut = () => {
    for (const [at, { cutTo: least }] of columns.entries()) {
      const now = widths[at] ?? null;
      if (now !== null && least > 0) widths[at] = Math.min(now, Math.max(least, now - excess()));
    }
  };
  const ranks = [...new Set(columns.map(({ rank }) => rank))].sort((a, b) => b - a);
  for (const rank of ranks) {
    if (excess() <= 0) break;
    const uncut = [...widths];
    if (rank < 2) cut();
    if (rank === 0 || (rank < 2 && excess() <= 0)) break;
    for (const [at, each] of uncut.entries()) {
      widths[at] = columns[at]?.rank === rank ? null : each;
    }
  }
  return widths;
}

function padded(text: string, width: number, isNumber: boolean): string {
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return isNumber ? space + text : text + space;
}
