/** Log lines for people. */
import { expect, test } from "vitest";
import { CodedError } from "../../../proto/coded-error.ts";
import { formatLine } from "../../../telemetry/logs/text-line.ts";

const timeMs = Date.UTC(2026, 0, 2, 3, 4, 5, 6);
const plain = (fields: object, text = "a text") =>
  formatLine({ timeMs, level: "warn", text, fields }, false);

test("time of day, level, sentence, fields", () => {
  expect(
    plain({ room: "chat:a", count: 3, ids: ["a"], big: 5n, none: null, gone: undefined }),
  ).toBe(
    '03:04:05.006 WARN  a text room=chat:a count=3 ids=["a"] big="5" none=null gone=undefined\n',
  );
});

test("what others chose can not forge a line, steer a terminal or hide a field", () => {
  const evil = "x\n03:04:05.006 ERROR forged \u001b[2J\u202e admin=true";
  const line = plain({ room: evil, user: "", nested: { name: "\u001b]0;t\u0007" } }, "a\nb");
  expect(line.trimEnd()).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  expect(line).toContain('room="x\\n03:04:05.006 ERROR forged \\u001b[2J');
  expect(line).toContain('user=""');
  expect(line.split("\n")).toHaveLength(2);
});

test("letters of any language stay readable", () => {
  expect(plain({ room: "chat:größe-日本", text: "zwei Wörter" })).toContain(
    'room=chat:größe-日本 text="zwei Wörter"',
  );
});

test("an expected error is its code and sentence; another one has its stack below", () => {
  const coded = new CodedError("STORE_FULL", "the shard is full");
  expect(plain({ error: coded })).toBe(
    '03:04:05.006 WARN  a text error="[STORE_FULL] the shard is full"\n',
  );
  const lines = plain({ error: new TypeError("x is not a function"), room: "a" }).split("\n");
  expect(lines[0]).toContain('error="x is not a function" room=a');
  expect(lines[1]).toMatch(/^ {4}at .*text-line\.test\.ts/);
});

test("fields that can not be shown do not end the process", () => {
  const loop: { self?: unknown } = {};
  loop.self = loop;
  expect(plain({ loop })).toContain("loop=(Converting circular structure");
});

test("colours: the same words, painted, each paint ended", () => {
  for (const level of ["debug", "info", "warn", "error"] as const) {
    const calm = { timeMs, level, text: "a text", fields: { room: "a" } };
    expect(formatLine(calm, true).endsWith("a\n")).toBe(true);
    const facts = { ...calm, fields: { room: "a", error: new Error("e") } };
    const painted = formatLine(facts, true);
    expect(painted).toContain("\u001b[");
    const paints = /\u001b\[([\d;]*)m/g;
    const ends = [...painted.matchAll(paints)].map(([, code]) => code === "0");
    expect(ends).toEqual(ends.map((_, i) => i % 2 === 1));
    expect(painted.replaceAll(paints, "")).toBe(formatLine(facts, false));
  }
});
