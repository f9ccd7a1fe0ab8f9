/** Judging an audit: what fails, what passes, and what an exception must be. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type AuditException, type AuditPolicy, judgeAudit } from "./judge-audit.ts";

const today = "2026-11-22";
const policy: AuditPolicy = { least: "moderate", exceptionDaysMax: 90, exceptions: [] };
const exception: AuditException = {
  advisory: "GHSA-aaaa-bbbb-cccc",
  package: "left",
  reason: "only its tests have the fault, and nothing of them is imported",
  until: "2026-12-31",
};

/** A report as npm writes it: `top` depends on `left`, which has an advisory. */
function report(severity: string) {
  const url = "https://github.com/advisories/GHSA-aaaa-bbbb-cccc";
  const cause = { source: 1, name: "left", title: "pads too much", url, severity, range: "<2" };
  return {
    auditReportVersion: 2,
    vulnerabilities: {
      left: { name: "left", severity, via: [cause], effects: ["top"] },
      top: { name: "top", severity, via: ["left"], effects: [] },
    },
  };
}

test("nothing found: passes", () => {
  const clean = { auditReportVersion: 2, vulnerabilities: {} };
  expect(judgeAudit(clean, policy, today)).toEqual({ failures: [], notes: [] });
});

test.each(["moderate", "high", "critical", "a new one"])("a %s one fails, once", (severity) => {
  const { failures } = judgeAudit(report(severity), policy, today);
  expect(failures).toEqual([`left: ${severity}, GHSA-aaaa-bbbb-cccc pads too much`]);
});

test("a low one is let pass, and said", () => {
  const { failures, notes } = judgeAudit(report("low"), policy, today);
  expect([failures, notes]).toEqual([
    [],
    ["let pass: left: low, GHSA-aaaa-bbbb-cccc pads too much"],
  ]);
});

test("an excused one passes; of another package, or another advisory, it does not", () => {
  const judge = (change: Partial<AuditException>) =>
    judgeAudit(report("high"), { ...policy, exceptions: [{ ...exception, ...change }] }, today);
  expect(judge({}).failures).toEqual([]);
  expect(judge({}).notes[0]).toMatch(/^excused: left: high/);
  expect(judge({ package: "right" }).failures).toHaveLength(1);
  expect(judge({ advisory: "GHSA-aaaa-bbbb-dddd" }).failures).toHaveLength(1);
  expect(judge({ package: "right" }).notes[0]).toContain("not needed any more");
});

test.each<[Partial<AuditException>, string]>([
  [{ until: "2026-11-21" }, "ended on 2026-11-21"],
  [{ until: "2027-11-22" }, "more than 90 days"],
  [{ until: "soon" }, "no last day"],
  [{ reason: "fine" }, "no reason"],
  [{ advisory: "*" }, "no advisory"],
])("an exception %j fails the audit, also without network", (change, sentence) => {
  const exceptions = [{ ...exception, ...change }];
  const { failures } = judgeAudit(null, { ...policy, exceptions }, today);
  expect(failures).toEqual([expect.stringContaining(sentence)]);
});

test.each([null, { message: "405 Method Not Allowed" }, { error: {} }])(
  "no answer (%j): passes, and says that nothing was audited",
  (answer) => {
    expect(judgeAudit(answer, policy, today)).toEqual({
      failures: [],
      notes: ["not audited: the registry did not answer"],
    });
  },
);

test("the policy in the repository is one", () => {
  const url = new URL("../../.ci/audit-policy.json", import.meta.url);
  const own = JSON.parse(readFileSync(url, "utf8")) as AuditPolicy;
  expect(judgeAudit(null, own, new Date().toISOString().slice(0, 10)).failures).toEqual([]);
  expect(own.least).toBe("moderate");
});
