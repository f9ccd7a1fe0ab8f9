/**
 * What a dependency audit found, by the policy of .ci/audit-policy.json.
 *
 * Pure. Findings below the least severity are listed and let pass. An exception names one advisory,
 * says why it does no harm here, and ends: nothing is excused for good.
 */

/** Severities of npm, the least first. */
const severities = ["info", "low", "moderate", "high", "critical"] as const;

/** How bad an advisory is. */
export type Severity = (typeof severities)[number];

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

/** An advisory about a package that is installed. */
interface Finding {
  readonly advisory: string;
  readonly package: string;
  readonly severity: Severity;
  readonly title: string;
}

/**
 * Judges.
 *
 * @param report of `npm audit --json`, parsed; null when the registry did not answer.
 * @param today "2026-11-22".
 */
export function judgeAudit(report: unknown, policy: AuditPolicy, today: string): AuditVerdict {
  const failures = policy.exceptions.flatMap((each) => judgeException(each, policy, today));
  const notes: string[] = [];
  const findings = report === null ? null : readFindings(report);
  if (findings === null) return { failures, notes: ["not audited: the registry did not answer"] };
  for (const finding of findings) {
    const sentence = `${finding.package}: ${finding.severity}, ${finding.advisory} ${finding.title}`;
    const isExcused = policy.exceptions.some(
      (each) => each.advisory === finding.advisory && each.package === finding.package,
    );
    if (isExcused) notes.push(`excused: ${sentence}`);
    else if (rank(finding.severity) < rank(policy.least)) notes.push(`let pass: ${sentence}`);
    else failures.push(sentence);
  }
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

/** Null for a report that is none: what a registry without audits sends. */
function readFindings(report: unknown): Finding[] | null {
  const { vulnerabilities } = report as { vulnerabilities?: Record<string, NpmVulnerability> };
  if (typeof vulnerabilities !== "object") return null;
  const found = new Map<string, Finding>();
  for (const { via } of Object.values(vulnerabilities)) {
    for (const cause of via) {
      if (typeof cause === "string") continue; // a package of the list, which has the advisory
      const advisory = cause.url.split("/").at(-1) ?? cause.url;
      const { name, severity, title } = cause;
      found.set(`${advisory} ${name}`, { advisory, package: name, severity, title });
    }
  }
  return [...found.values()];
}

/** A package of `npm audit --json`. */
interface NpmVulnerability {
  readonly via: readonly (string | NpmCause)[];
}

interface NpmCause {
  readonly name: string;
  readonly severity: Severity;
  readonly title: string;
  readonly url: string;
}

/** A severity that is not known counts as the worst. */
function rank(severity: Severity): number {
  const found = severities.indexOf(severity);
  return found < 0 ? severities.length : found;
}
