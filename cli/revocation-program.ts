/**
 * The command line of revocations: its commands, options and help. What they do is in
 * revocation-commands.ts, imported when one runs.
 */
import type { Command } from "commander";
import { parseTime } from "./audit-program.ts";
import { examples, outputOption, type ProgramSetup, spanMs, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds revocations. */
export function addRevocationCommands(
  program: Command,
  context: Context,
  setup: ProgramSetup,
): void {
  const group = program
    .command("revocations")
    .summary("Revoke tokens of clients.")
    .description(
      "Tokens of the tenant (--tenant) that are good no more though they have not ended: within a " +
        "second their connections are told and closed, on all gateways, and none comes in with one. " +
        "Needs the role operator. Uses the control plane (--control).",
    );
  addCreate(group, context, setup);
  const list = group
    .command("list")
    .summary("List what is revoked.")
    .description("Lists the tenant's revocations that have not ended.")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl revocations list -o json", "as JSON"]]))
    .action(async ({ output }) => {
      const { listRevocations } = await import("./revocation-commands.ts");
      await listRevocations(context, targetOf(list, setup), output);
    });
  const get = group
    .command("get")
    .summary("Show one revocation.")
    .description("Shows one revocation of the tenant.")
    .argument("<revocation>", "its name, as list shows it")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl revocations get stolen-phone", "one"]]))
    .action(async (id: string, { output }) => {
      const { getRevocation } = await import("./revocation-commands.ts");
      await getRevocation(context, targetOf(get, setup), id, output);
    });
  const remove = group
    .command("delete")
    .summary("Take a revocation back.")
    .description("Takes it back: tokens that it was for, and that have not ended, are good again.")
    .argument("<revocation>", "its name, as list shows it")
    .option("--etag <etag>", "only if it is unchanged since it was read", "")
    .option("--dry-run", "check, change nothing", false)
    .addHelpText("after", examples([["tidegatectl revocations delete stolen-phone", "found it"]]))
    .action(async (id: string, { etag, dryRun }) => {
      const { deleteRevocation } = await import("./revocation-commands.ts");
      await deleteRevocation(context, targetOf(remove, setup), id, { etag, isDryRun: dryRun });
    });
}

function addCreate(group: Command, context: Context, setup: ProgramSetup): void {
  const create = group
    .command("create")
    .summary("Revoke tokens by id, user or time.")
    .description(
      "Revokes the tokens that meet every condition given. A user without a token id is signed out " +
        "everywhere, and let in with a token that is issued later; with --issued-before in the " +
        "future, only with one issued after that.",
    )
    .option("--token-id <jti>", "the token with this id", "")
    .option("--user <user>", "tokens of this user", "")
    .option(
      "--issued-before <time>",
      "tokens issued before: 30m (ago), or 2026-11-22T08:00Z",
      parseTime,
    )
    .option("--ttl <span>", "how long it is in force: longer than such tokens live", spanMs)
    .option("--reason <text>", "for other operators", "")
    .option("--id <name>", "its name, [a-z0-9-]; without it one is chosen", "")
    .option("--dry-run", "check and show, change nothing", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl revocations create --user anna", "sign anna out everywhere"],
        [
          "tidegatectl revocations create --token-id 7f3a --ttl 2h --reason 'stolen phone'",
          "one token, which lives for an hour",
        ],
        ["tidegatectl revocations create --issued-before 0s", "everybody signs in again"],
      ]),
    )
    .action(async ({ output, dryRun, issuedBefore, ttl, ...words }) => {
      const { createRevocation } = await import("./revocation-commands.ts");
      const wish = { ...words, issuedBefore, ttlMs: ttl, isDryRun: dryRun };
      await createRevocation(context, targetOf(create, setup), wish, output);
    });
}
