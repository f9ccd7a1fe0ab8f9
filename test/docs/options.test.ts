/** docs/options.md: its table is the options table of options.ts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { describeKind, type OptionRow } from "../../option-kind.ts";
import { OPTIONS, optionFlag } from "../../options.ts";
import { from } from "../tidy/source.ts";

const text = readFileSync(from("docs/options.md"), "utf8");

function tableLine({ name, kind, default: value, meaning }: OptionRow): string {
  const shown = value === "" ? "–" : `\`${value}\``;
  const cells = [`\`${name}\``, `\`${optionFlag(name)}\``, shown, describeKind(kind), meaning];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

test("options.md: has one line for each option, in order, as options.ts says", () => {
  const rows = text.split("\n").filter((line) => line.startsWith("| `"));
  const lines = rows.map((line) => line.replaceAll(/ +/g, " ")); // the formatter aligns columns
  expect(lines).toEqual(OPTIONS.map(tableLine));
});

/** Node's own. */
const others = ["NODE_EXTRA_CA_CERTS"];

test.each(["README.md", "SECURITY.md", "docs/options.md", "docs/auth.md", "docs/protocol.md"])(
  "options: every name like AN_OPTION in %s is an option or an error code",
  (file) => {
    const errors = JSON.parse(readFileSync(from("proto/errors.json"), "utf8")).errors;
    const known = new Set([...OPTIONS.map(({ name }) => name), ...Object.keys(errors), ...others]);
    const named = readFileSync(from(file), "utf8").matchAll(/`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`/g);
    const unknown = [...named].map(([, name = ""]) => name).filter((name) => !known.has(name));
    expect(unknown.filter((name) => !name.startsWith("GAP_REASON_"))).toEqual([]);
  },
);
