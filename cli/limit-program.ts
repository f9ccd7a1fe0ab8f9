/**
 * The command line of limits: its commands, options and help. What they do is in limit-commands.ts,
 * imported when one runs.
 */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import { isLimitName, LIMIT_NAMES, type LimitName } from "../proto/limits.ts";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds limits. */
export function addLimitCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const group = program
    .command("limits")
    .summary("Limit what a tenant may use and send.")
    .description(
      "Limits of the tenant (--tenant). In the whole fleet: connections, connections-per-user, " +
        "connections-per-ip, rooms, stored-bytes, connects-per-second. Of a connection: frames-per-second, " +
        "bytes-per-second, frame-bytes, in-flight. Of a user on one gateway: " +
        "user-publishes-per-second. Members of a room, its publishes and payloads are limited by " +
        "its class. docs/limits.md says more. Uses the control plane (--control).",
    );
  const list = group
    .command("list")
    .summary("List all limits, set or not.")
    .description("Lists the tenant's limits: value, how much is in use, what holds in outages.")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl limits list --tenant acme", "of one tenant"]]))
    .action(async ({ output }) => {
      const { listLimits } = await import("./limit-commands.ts");
      await listLimits(context, targetOf(list, setup), output);
    });
  const get = group
    .command("get")
    .summary("Show one limit.")
    .description("Shows one limit of the tenant, with its etag.")
    .addArgument(limitArgument())
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl limits get connections -o json", "as JSON"]]))
    .action(async (limit: LimitName, { output }) => {
      const { getLimit } = await import("./limit-commands.ts");
      await getLimit(context, targetOf(get, setup), limit, output);
    });
  addSet(group, context, setup);
  const unset = group
    .command("unset")
    .summary("Put a limit back to none.")
    .description("Takes a limit away: nothing is counted any more.")
    .addArgument(limitArgument())
    .option("--etag <etag>", "only if it is unchanged since it was read", "")
    .option("--dry-run", "check, change nothing", false)
    .addHelpText("after", examples([["tidegatectl limits unset rooms", "as many as they like"]]))
    .action(async (limit: LimitName, { etag, dryRun }) => {
      const { unsetLimit } = await import("./limit-commands.ts");
      await unsetLimit(context, targetOf(unset, setup), limit, { etag, isDryRun: dryRun });
    });
}

function addSet(group: Command, context: Context, setup: ProgramSetup): void {
  const set = group
    .command("set")
    .summary("Set a limit.")
    .description(
      "Sets a limit; it holds within milliseconds, on all gateways. Nobody is put out: when more " +
        "is in use than the new value, it is refused, or with --allow-below-use nobody new comes " +
        "in before it is less.",
    )
    .addArgument(limitArgument())
    .argument("<value>", "1 or more", positiveValue)
    .addOption(
      new Option("--on-outage <policy>", "while the store of seats can not be reached").choices([
        "fail-closed",
        "fail-open",
      ]),
    )
    .option("--allow-below-use", "also when more is in use now", false)
    .option("--etag <etag>", "only if it is unchanged since it was read", "")
    .option("--dry-run", "check and show, change nothing", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl limits set connections-per-user 5", "five devices each"],
        ["tidegatectl limits set frames-per-second 50", "what a connection may send"],
        [
          "tidegatectl limits set connections 100000 --on-outage fail-open",
          "rather more than none",
        ],
        ["tidegatectl limits set rooms 50 --dry-run", "what would happen"],
      ]),
    )
    .action(async (limit: LimitName, value: number, options) => {
      const { setLimit } = await import("./limit-commands.ts");
      const { output, onOutage, allowBelowUse, etag, dryRun } = options;
      const wish = { value, onOutage, allowBelowUse, etag, isDryRun: dryRun };
      await setLimit(context, targetOf(set, setup), limit, wish, output);
    });
}

function limitArgument(): Argument {
  return new Argument("<limit>", "which one").choices(LIMIT_NAMES).argParser((text: string) => {
    if (isLimitName(text)) return text;
    throw new InvalidArgumentError(`It must be one of ${LIMIT_NAMES.join(", ")}.`);
  });
}

function positiveValue(text: string): number {
  if (!/^[1-9]\d{0,15}$/.test(text)) throw new InvalidArgumentError("It must be 1 or more.");
  return Number(text);
}
