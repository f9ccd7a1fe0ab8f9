/**
 * What a dependency audit found, by the policy of .ci/audit-policy.json.
 *
 * Pure. Findings below the least severity are listed and let pass. An exception names one advisory,
 * says why it does no harm here, and ends: nothing is excused for good.
 */
import {
  type Finding,
  readNpmFindings,
  readPipFindings,
  SEVERITIES,
  type Severity,
} from "./audit-findings.ts";

/** An advisory that is let pass for a time. */
export interface AuditException {
  /** As in its address: "GHSA-xxxx-xxxx-xxxx". */
  readonly advisory: string;
  readonly package: string;
  /** Why it does no harm here. */
  readonly reason: string;
  /** Last day, "2027-01-31". */
  readonly until: string;
}

/** The policy. */
export interface AuditPolicy {
  /** Findings from here on fail. */
  readonly least: Severity;
  /** Longest time that an exception may have left, days. */
  readonly exceptionDaysMax: number;
  readonly exceptions: readonly AuditException[];
}

/** What came out. */
export interface AuditVerdict {
  /** Sentences; any of them fails the audit. */
  readonly failures: readonly string[];
  /** Sentences for whoever reads. */
  readonly notes: readonly string[];
}

/** What the audits said; null where no registry answered. */
export interface AuditReports {
  /** Of `npm audit --json`, parsed. */
  readonly npm: unknown;
  /** Of `pip-audit --format json --aliases on`, parsed. */
  readonly python: unknown;
}

/**
 * Judges.
 *
 * @param today "2026-11-22".
 */
export function judgeAudit(
  reports: AuditReports,
  policy: AuditPolicy,
  today: string,
): AuditVerdict {
  const failures = policy.exceptions.flatMap((each) => judgeException(each, policy, today));
  const notes: string[] = [];
  const [npm, python] = [readNpmFindings(reports.npm), readPipFindings(reports.python)];
  if (npm === null) notes.push("npm packages: not audited, the registry did not answer");
  if (python === null) notes.push("Python packages: not audited, the registry did not answer");
  const findings: readonly Finding[] = [...(npm ?? []), ...(python ?? [])];
  for (const finding of findings) {
    const sentence = `${finding.package}: ${finding.severity}, ${finding.advisory} ${finding.title}`;
    const isExcused = policy.exceptions.some(
      (each) => each.advisory === finding.advisory && each.package === finding.package,
    );
    if (isExcused) notes.push(`excused: ${sentence}`);
    else if (rank(finding.severity) < rank(policy.least)) notes.push(`let pass: ${sentence}`);
    else failures.push(sentence);
  }
  if (npm === null || python === null) return { failures, notes };
  for (const { advisory, package: name } of policy.exceptions) {
    const isUsed = findings.some((each) => each.advisory === advisory && each.package === name);
    if (!isUsed) notes.push(`not needed any more: the exception for ${name}, ${advisory}`);
  }
  return { failures, notes };
}

function judgeException(
  { advisory, package: name, reason, until }: AuditException,
  { exceptionDaysMax }: AuditPolicy,
  today: string,
): string[] {
  const what = `the exception for ${name}, ${advisory},`;
  if (!/^GHSA(-[0-9a-z]{4}){3}$/.test(advisory)) return [`${what} names no advisory`];
  if (reason.length < 20) return [`${what} has no reason`];
  const days = (Date.parse(until) - Date.parse(today)) / 86_400_000;
  if (Number.isNaN(days)) return [`${what} has no last day`];
  if (days < 0) return [`${what} ended on ${until}`];
  return days > exceptionDaysMax ? [`${what} is for more than ${exceptionDaysMax} days`] : [];
}

/** A severity that is not known counts as the worst. */
function rank(severity: Severity | "unknown"): number {
  const order: readonly string[] = SEVERITIES;
  const found = order.indexOf(severity);
  return found < 0 ? SEVERITIES.length : found;
}
