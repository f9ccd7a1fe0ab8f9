/**
 * Audit entries as they are stored: order, bounds, and any JSON.
 */
import { expect, test } from "vitest";
import {
  dayPrefix,
  encodeEntry,
  entryId,
  entryKey,
  STATE_BYTES_MAX,
  timeOfEntryId,
} from "../../../controlplane/audit/audit-entry.ts";
import { requestIdOf, resourceOf } from "../../../controlplane/audit/request-words.ts";
import { AuditEntry } from "../../../proto/gen/tidegate/control/v1/audit.ts";

const timeMs = Date.UTC(2026, 10, 22, 23, 59, 59, 999);

test("ids and keys are in the order of time, then of the process's count", () => {
  const ids = [
    entryId(timeMs - 1, 999_999, "ff"),
    entryId(timeMs, 3, "aa"),
    entryId(timeMs, 12, "00"),
    entryId(timeMs + 1, 1, "00"),
  ];
  const keys = ids.map(entryKey);
  expect(keys).toEqual([...keys].sort());
  expect(keys[0]).toMatch(/^audit\.20261122\.\d{13}-999999-ff$/);
  expect(keys[3]).toMatch(/^audit\.20261123\./);
  expect(ids.map(timeOfEntryId)).toEqual([timeMs - 1, timeMs, timeMs, timeMs + 1]);
  for (const bad of ["", "1-2-3", `${ids[0]}x!`]) expect(timeOfEntryId(bad)).toBeNaN();
  expect(dayPrefix(timeMs)).toBe("audit.20261122.");
});

test("states: any JSON, numbers and bytes of protobuf, and a bound", () => {
  const encode = (before: unknown, after: unknown) => {
    const subject = { method: "a/B", resource: "r".repeat(1000) };
    const entry = { id: entryId(timeMs, 1, "a"), timeMs };
    const outcome = { before, after, detail: "d".repeat(1000) };
    return AuditEntry.decode(encodeEntry(subject, null, "peer", outcome, entry).value);
  };
  const large = { text: "ü".repeat(STATE_BYTES_MAX / 2) };
  const { before, after, resource, detail } = encode({ n: 5n, b: Buffer.from("hi") }, large);
  expect(before).toMatch(/^\{"n":"5","b":/);
  expect(JSON.parse(after)).toEqual({ leftOutBytes: STATE_BYTES_MAX + 11 });
  expect([resource.length, detail.length]).toEqual([256, 512]);
  expect(encode(undefined, null)).toMatchObject({ before: "", after: "", principal: "", role: "" });
});

test.each<[unknown, string]>([
  [{ name: "a/b", parent: "a" }, "a/b"],
  [{ name: "", parent: "tenants/a" }, "tenants/a"],
  [{ roomClass: { name: "x/y" }, updateMask: ["a"] }, "x/y"],
  [{ pageSize: 3 }, ""],
  [null, ""],
  ["text", ""],
])("resourceOf %j is %s", (request, expected) => {
  expect(resourceOf(request)).toBe(expected);
});

test("requestIdOf: cut, and empty when there is none", () => {
  expect(requestIdOf({ requestId: "x".repeat(100) })).toHaveLength(64);
  for (const request of [{}, { requestId: 5 }, null, 7]) expect(requestIdOf(request)).toBe("");
});
