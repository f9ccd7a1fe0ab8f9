/**
 * Audit entries in words.
 */
import { expect, test } from "vitest";
import { auditTable, auditText, changeText } from "../../cli/audit-text.ts";
import { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";

const empty = AuditEntry.decode(new Uint8Array(0));
const entry: AuditEntry = {
  ...empty,
  name: "auditEntries/1795336800000-000001-ab12cd34",
  time: new Date("2026-11-22T08:00:00.000Z"),
  principal: "anna",
  role: "operator",
  peer: "10.0.0.1:5000",
  method: "tidegate.control.v1.RoomClassService/UpdateRoomClass",
  resource: "tenants/acme/roomClasses/chat",
  before: '{"historyCountMax":1000,"mode":"DURABLE"}',
  after: '{"historyCountMax":5,"mode":"DURABLE"}',
  outcome: "OK",
};

test.each<[unknown, unknown, string]>([
  [null, null, "-"],
  [null, { a: 1 }, 'made {"a":1}'],
  [{ a: 1 }, null, 'gone; was {"a":1}'],
  [{ a: 1, b: 2 }, { a: 1, b: 3, c: "x" }, 'b: 2 -> 3, c: - -> "x"'],
  [{ a: { x: 1 } }, { a: { x: 2 } }, 'a: {"x":1} -> {"x":2}'],
  [{ a: 1 }, { a: 1 }, "nothing"],
  [1, 2, "1 -> 2"],
])("changeText: from %j to %j is %s", (before, after, expected) => {
  expect(changeText(before, after)).toBe(expected);
});

test("auditTable: a change, a refusal, and what was not written", () => {
  const refused: AuditEntry = {
    ...empty,
    time: new Date("2026-11-22T08:00:01.000Z"),
    peer: "10.0.0.9:1",
    method: "tidegate.control.v1.ShardService/DeleteShard",
    outcome: "CREDENTIALS_INVALID",
    detail: "the call has no token",
    suppressedCount: 7n,
  };
  const lines = auditTable([refused, entry].map(auditText)).split("\n");
  expect(lines[0]).toMatch(/^TIME +WHO +CALL +RESOURCE +OUTCOME +CHANGE$/);
  expect(lines[1]).toMatch(/01\.000Z +\? \(10\.0\.0\.9:1\) +DeleteShard +- +CREDENTIALS_INVALID +/);
  expect(lines[1]?.endsWith("the call has no token (and 7 not written before)")).toBe(true);
  expect(lines[2]).toMatch(
    /anna +UpdateRoomClass +tenants\/acme.* OK +historyCountMax: 1000 -> 5$/,
  );
});

test("auditTable: what a caller wrote can not steer a terminal, and long changes are cut", () => {
  const hostile = { ...entry, principal: "a\u001b[2Jb\nc", before: "", after: "not json" };
  const [, row = ""] = auditTable([auditText(hostile)]).split("\n");
  expect(row).toContain("a\\u001b[2Jb\\nc");
  const long = { ...entry, before: "", after: JSON.stringify({ text: "x".repeat(500) }) };
  const [, longRow = ""] = auditTable([auditText(long)]).split("\n");
  expect(longRow.length).toBeLessThan(250);
  expect(longRow.endsWith("…")).toBe(true);
  expect(auditText(hostile)).toMatchObject({ before: null, after: "not json" });
});
