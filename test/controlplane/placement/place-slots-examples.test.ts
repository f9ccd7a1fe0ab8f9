/** Placement by example: the table of docs/placement.md, row by row. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { placeSlots } from "../../../controlplane/placement/place-slots.ts";
import { from } from "../../tidy/source.ts";
import { parseGroup, showMoves, showOwners } from "./group-text.ts";

const heading = ["case", "shards and the loads of their slots", "regions", "moves", "after"];
const examples = readTable(readFileSync(from("docs/placement.md"), "utf8"));

test("docs/placement.md: has the examples, at least one for each reason and most refusals", () => {
  expect(examples.length).toBeGreaterThanOrEqual(22);
  const moves = examples.map((cells) => cells[3]).join();
  for (const word of ["pin", "relieve", "region", "drain", "balance", "none", "refused"]) {
    expect(moves).toContain(word);
  }
});

describe("placeSlots, docs/placement.md", () => {
  test.each(examples)("%s", (_case, shards = "", regions = "", moves = "", after = "") => {
    const group = parseGroup(shards, regions);
    const decision = placeSlots(group);
    if (decision.kind === "refused") {
      expect([`refused: ${decision.code}`, "–"]).toEqual([moves, after]);
      return;
    }
    expect([showMoves(decision), showOwners(group, decision)]).toEqual([moves, after]);
  });
});

/** The rows under the heading. */
function readTable(text: string): string[][] {
  const lines = text.split("\n").map((line) => {
    const cells = line.split("|").slice(1, -1);
    return cells.map((cell) => cell.trim());
  });
  const at = lines.findIndex((cells) => cells.join() === heading.join());
  const rows = lines.slice(at + 2);
  return rows.slice(
    0,
    rows.findIndex((cells) => cells.length === 0),
  );
}
