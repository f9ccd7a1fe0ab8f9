/** Judging an audit: what fails, what passes, and what an exception must be. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type AuditException,
  type AuditPolicy,
  type AuditReports,
  judgeAudit,
} from "./judge-audit.ts";

const today = "2026-11-22";
const policy: AuditPolicy = { least: "moderate", exceptionDaysMax: 90, exceptions: [] };
const exception: AuditException = {
  advisory: "GHSA-aaaa-bbbb-cccc",
  package: "left",
  reason: "only its tests have the fault, and nothing of them is imported",
  until: "2026-12-31",
};

const unanswered: AuditReports = { npm: null, python: null };
const noNpm = { auditReportVersion: 2, vulnerabilities: {} };
const noPip = { dependencies: [{ name: "left", version: "1.0", vulns: [] }], fixes: [] };

/** A report as npm writes it: `top` depends on `left`, which has an advisory. */
function report(severity: string): AuditReports {
  const url = "https://github.com/advisories/GHSA-aaaa-bbbb-cccc";
  const cause = { source: 1, name: "left", title: "pads too much", url, severity, range: "<2" };
  const vulnerabilities = {
    left: { name: "left", severity, via: [cause], effects: ["top"] },
    top: { name: "top", severity, via: ["left"], effects: [] },
  };
  return { npm: { auditReportVersion: 2, vulnerabilities }, python: noPip };
}

/** A report as pip-audit writes it: of `left`, beside one that PyPI does not know. */
function pipReport(): AuditReports {
  const description = "Pads too much.\n\nMore of it.";
  const vuln = {
    id: "PYSEC-2026-7",
    fix_versions: ["2.0"],
    aliases: ["CVE-2026-1", exception.advisory],
  };
  const left = { name: "left", version: "1.0", vulns: [{ ...vuln, description }] };
  const own = { name: "ours", skip_reason: "Dependency not found on PyPI" };
  return { npm: noNpm, python: { dependencies: [left, own], fixes: [] } };
}

test("nothing found: passes", () => {
  const clean = { npm: noNpm, python: noPip };
  expect(judgeAudit(clean, policy, today)).toEqual({ failures: [], notes: [] });
});

test("Python: one fails whatever the policy lets pass, since PyPI tells no severity", () => {
  const { failures } = judgeAudit(pipReport(), { ...policy, least: "critical" }, today);
  expect(failures).toEqual(["left: unknown, GHSA-aaaa-bbbb-cccc Pads too much."]);
});

test("Python: an exception names it by GitHub's name for it", () => {
  const verdict = judgeAudit(pipReport(), { ...policy, exceptions: [exception] }, today);
  expect(verdict.failures).toEqual([]);
  expect(verdict.notes).toEqual(["excused: left: unknown, GHSA-aaaa-bbbb-cccc Pads too much."]);
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
  const { failures } = judgeAudit(unanswered, { ...policy, exceptions }, today);
  expect(failures).toEqual([expect.stringContaining(sentence)]);
});

test.each([null, { message: "405 Method Not Allowed" }, { error: {} }])(
  "npm: no answer (%j): passes, and says that nothing was audited",
  (npm) => {
    expect(judgeAudit({ npm, python: noPip }, policy, today)).toEqual({
      failures: [],
      notes: ["npm packages: not audited, the registry did not answer"],
    });
  },
);

test.each([null, { dependencies: [] }, { dependencies: [{ name: "left", skip_reason: "404" }] }])(
  "Python: no answer (%j): passes, and says that nothing was audited; npm's are judged",
  (python) => {
    const { failures, notes } = judgeAudit({ ...report("high"), python }, policy, today);
    expect(failures).toHaveLength(1);
    expect(notes).toEqual(["Python packages: not audited, the registry did not answer"]);
  },
);

test("the policy in the repository is one", () => {
  const url = new URL("../../.ci/audit-policy.json", import.meta.url);
  const own = JSON.parse(readFileSync(url, "utf8")) as AuditPolicy;
  expect(judgeAudit(unanswered, own, new Date().toISOString().slice(0, 10)).failures).toEqual([]);
  expect(own.least).toBe("moderate");
});
