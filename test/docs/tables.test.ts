/** Tables of documents: docs/errors.md and the limits of docs/protocol.md are what the code has. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GATEWAY_DEFAULTS } from "../../gateway/options.ts";
import type { ErrorRow } from "../tidy/repository-rules.ts";
import { from } from "../tidy/source.ts";

const read = (file: string) => readFileSync(from(file), "utf8");

/** Cells of a document's table rows whose first cell is `code`. */
function rowsOf(text: string): string[][] {
  const lines = text.split("\n").filter((line) => /^\| `/.test(line));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("errors.md: has every code of proto/errors.json with its close code and sentences", () => {
  const { errors } = JSON.parse(read("proto/errors.json")) as { errors: Record<string, ErrorRow> };
  const wanted = Object.entries(errors).map(([code, row]) => {
    const after = row.retryAfterMs === undefined ? "" : `, after ${row.retryAfterMs} ms`;
    const close = row.close === undefined ? "–" : String(row.close);
    return [`\`${code}\``, close, row.retry + after, row.grpc, row.where, row.means, row.fix];
  });
  expect(rowsOf(read("docs/errors.md"))).toEqual(wanted);
});

test("protocol.md: its limits are the gateway's defaults", () => {
  const limits = read("docs/protocol.md").split("## Limits")[1] ?? "";
  const stated = new Map(
    rowsOf(limits).map(([name = "", value = ""]) => [
      name.replaceAll("`", ""),
      Number(value.replaceAll(" ", "")),
    ]),
  );
  expect(Object.fromEntries(stated)).toMatchObject({
    frame_bytes_max: GATEWAY_DEFAULTS.frameBytesMax,
    room_count_max: GATEWAY_DEFAULTS.roomCountMax,
    publish_in_flight_max: GATEWAY_DEFAULTS.inFlightMax,
    history_page_max: GATEWAY_DEFAULTS.historyPageMax,
  });
});
