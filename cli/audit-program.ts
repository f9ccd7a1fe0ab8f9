/**
 * The command line of audit: its options and its help. What it does is in audit-command.ts,
 * imported when it runs.
 */
import { type Command, InvalidArgumentError } from "commander";
import {
  examples,
  outputOption,
  type ProgramSetup,
  positiveNumber,
  targetOf,
} from "./command-setup.ts";
import type { Context } from "./context.ts";

const unitsMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Adds audit. */
export function addAuditCommand(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("audit")
    .summary("Show who changed what, and what was refused.")
    .description(
      "Shows the audit log, newest first: every call that changed something, from what to what, " +
        "and every call that was refused. Changes are kept for 90 days, refused calls for 14. " +
        "Needs the role operator. Uses the control plane (--control).",
    )
    .option("--resource <name>", "only of this resource and what is below it", "")
    .option("--principal <name>", "only of this caller", "")
    .option("--method <name>", "only of this call, e.g. UpdateRoomClass", "")
    .option("--since <time>", "from then on: 30m, 24h, 7d, or 2026-11-22T08:00Z", parseTime)
    .option("--until <time>", "before then, likewise", parseTime)
    .option("--refused", "only calls that were refused", false)
    .option("--limit <count>", "entries at most", positiveNumber, 50)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl audit", "what happened last"],
        ["tidegatectl audit --resource tenants/acme --since 7d", "of a tenant, a week"],
        ["tidegatectl audit --refused --since 1h", "who was sent away"],
        ["tidegatectl audit --principal anna -o json", "of a person, for a program"],
      ]),
    )
    .action(async (options) => {
      const { showAudit } = await import("./audit-command.ts");
      const { output, resource, principal, method, since, until, refused, limit } = options;
      const filter = { resource, principal, method, since, until, isRefusedOnly: refused };
      const wish = { ...filter, format: output, countMax: limit };
      await showAudit(context, targetOf(command, setup), wish);
    });
}

/** Reads a time: so long ago, or a date of ISO 8601. */
export function parseTime(text: string): Date {
  const span = /^(\d{1,6})([smhd])$/.exec(text);
  if (span !== null) return new Date(Date.now() - Number(span[1]) * (unitsMs[span[2] ?? ""] ?? 0));
  const date = /^\d{4}-\d\d-\d\d/.test(text) ? new Date(text) : new Date(Number.NaN);
  if (!Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError("It must be like 30m, 24h, 7d, or 2026-11-22T08:00Z.");
}
