/**
 * Audits the dependencies, those of package-lock.json by npm and those of the Python environment by
 * pip-audit, by the policy of .ci/audit-policy.json: exit code 1 when a finding is neither mild nor
 * excused. Without network, or where a registry answers no audits, it says so and passes: the
 * policy itself is still judged.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type AuditPolicy, judgeAudit } from "./judge-audit.ts";

const root = path.resolve(import.meta.dirname, "../..");
const from = (file: string) => path.join(root, file);
/** A registry that does not answer by then is away, ms. */
const AUDIT_MS_MAX = 60_000;
/** Installing pip-audit takes some seconds; who needs longer has no network, ms. */
const INSTALL_MS_MAX = 120_000;

const policy = JSON.parse(readFileSync(from(".ci/audit-policy.json"), "utf8")) as AuditPolicy;
const today = new Date().toISOString().slice(0, 10);
const [npm, python] = await Promise.all([askNpm(), askPipAudit()]);
const { failures, notes } = judgeAudit({ npm, python }, policy, today);
for (const note of notes) process.stdout.write(`${note}\n`);
for (const failure of failures) process.stderr.write(`FAILED: ${failure}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** What `npm audit` says; null when that is nothing. */
async function askNpm(): Promise<unknown> {
  return parse(await run("npm", ["audit", "--json", "--fetch-retries=0"], AUDIT_MS_MAX));
}

/** What pip-audit says of .cache/venv; null without one, and when that is nothing. */
async function askPipAudit(): Promise<unknown> {
  const audited = from(".cache/venv/bin/python");
  if (!existsSync(audited)) return null;
  const own = from(".cache/audit/bin/python");
  if (!existsSync(from(".cache/audit/bin/pip-audit"))) {
    await run("python3", ["-m", "venv", from(".cache/audit")], INSTALL_MS_MAX);
    const wanted = ["-r", from(".ci/requirements-audit.txt")];
    const quiet = ["--quiet", "--disable-pip-version-check"];
    await run(own, ["-m", "pip", "install", ...quiet, ...wanted], INSTALL_MS_MAX);
  }
  const where = "import sysconfig; print(sysconfig.get_path('purelib'))";
  const folder = (await run(audited, ["-c", where], AUDIT_MS_MAX)).trim();
  const args = ["--path", folder, "--format", "json", "--aliases", "on"];
  return parse(await run(own, ["-m", "pip_audit", ...args], AUDIT_MS_MAX));
}

/** Its stdout; exit codes tell findings from none, and what failed says nothing. */
function run(command: string, args: readonly string[], timeout: number): Promise<string> {
  return new Promise((resolve) => {
    const options = { cwd: root, timeout, maxBuffer: 64 * 1024 * 1024 };
    execFile(command, args, options, (_error, stdout) => resolve(stdout));
  });
}

/** Null for what is no JSON: nothing was there, or it was cut off by the time. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // not audited, which is said
  }
}
