/**
 * Audits the dependencies of package-lock.json by .ci/audit-policy.json: exit code 1 when a finding
 * is neither mild nor excused. Without network, or where the registry answers no audits, it says so
 * and passes: the policy itself is still judged.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type AuditPolicy, judgeAudit } from "./judge-audit.ts";

const root = path.resolve(import.meta.dirname, "../..");
/** A registry that does not answer by then is away, ms. */
const AUDIT_MS_MAX = 60_000;

const policy = JSON.parse(
  readFileSync(path.join(root, ".ci/audit-policy.json"), "utf8"),
) as AuditPolicy;
const today = new Date().toISOString().slice(0, 10);
const { failures, notes } = judgeAudit(await askRegistry(), policy, today);
for (const note of notes) process.stdout.write(`${note}\n`);
for (const failure of failures) process.stderr.write(`FAILED: ${failure}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** What `npm audit` says; null when that is nothing. Its exit code tells findings from none. */
function askRegistry(): Promise<unknown> {
  return new Promise((resolve) => {
    const options = { cwd: root, timeout: AUDIT_MS_MAX, maxBuffer: 64 * 1024 * 1024 };
    execFile("npm", ["audit", "--json", "--fetch-retries=0"], options, (_error, stdout) => {
      try {
        resolve(JSON.parse(stdout));
      } catch {
        resolve(null); // no npm, or cut off by the time: not audited, which is said
      }
    });
  });
}
