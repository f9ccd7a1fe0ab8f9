/**
 * What audits say, as one list of findings: of `npm audit --json`, and of pip-audit's JSON.
 *
 * Pure.
 */

/** Severities of npm, the least first. PyPI tells none: what is not known counts as the worst. */
export const SEVERITIES = ["info", "low", "moderate", "high", "critical"] as const;

/** How bad an advisory is. */
export type Severity = (typeof SEVERITIES)[number];

/** An advisory about a package that is installed. */
export interface Finding {
  /** "GHSA-xxxx-xxxx-xxxx", or how else its source calls it. */
  readonly advisory: string;
  readonly package: string;
  readonly severity: Severity | "unknown";
  readonly title: string;
}

/** A package of `npm audit --json`. */
interface NpmVulnerability {
  /** A string is a package of the list, which has the advisory. */
  readonly via: readonly (string | NpmCause)[];
}

interface NpmCause {
  readonly name: string;
  readonly severity: Severity;
  readonly title: string;
  readonly url: string;
}

/** A package of pip-audit's JSON: either audited or skipped. */
interface PipDependency {
  readonly name: string;
  readonly vulns?: readonly PipVulnerability[];
}

interface PipVulnerability {
  readonly id: string;
  readonly aliases?: readonly string[];
  readonly description?: string;
}

/** Null for a report that is none: what a registry without audits sends. */
export function readNpmFindings(report: unknown): Finding[] | null {
  const vulnerabilities = (report as { vulnerabilities?: Record<string, NpmVulnerability> } | null)
    ?.vulnerabilities;
  if (typeof vulnerabilities !== "object") return null;
  const found = new Map<string, Finding>();
  for (const { via } of Object.values(vulnerabilities)) {
    for (const cause of via) {
      if (typeof cause === "string") continue;
      const advisory = cause.url.split("/").at(-1) ?? cause.url;
      const { name, severity, title } = cause;
      found.set(`${advisory} ${name}`, { advisory, package: name, severity, title });
    }
  }
  return [...found.values()];
}

/** Null for a report that is none, or in which no package could be looked up. */
export function readPipFindings(report: unknown): Finding[] | null {
  const dependencies = (report as { dependencies?: readonly PipDependency[] } | null)?.dependencies;
  const audited = (dependencies ?? []).filter(({ vulns }) => vulns !== undefined);
  if (audited.length === 0) return null;
  return audited.flatMap(({ name, vulns = [] }) =>
    vulns.map(({ id, aliases = [], description = "" }) => ({
      advisory: [id, ...aliases].find((each) => each.startsWith("GHSA-")) ?? id,
      package: name,
      severity: "unknown" as const,
      title: description.split("\n")[0]?.slice(0, 120) ?? "",
    })),
  );
}
