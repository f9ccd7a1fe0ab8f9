/**
 * The command line of top: its options and its help.
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import { examples, outputOption, type ProgramSetup, spanMs, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";
import { tenantParent } from "./tenant.ts";
import { SORT_KEYS } from "./top-picture.ts";

/** Fastest: each picture asks every gateway. Milliseconds. */
const INTERVAL_MS_MIN = 1000;

/** Adds top. */
export function addTopCommand(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("top")
    .summary("Watch the fleet live.")
    .description(
      "Shows gateways with what they carry and cost, the busiest rooms and the connections that " +
        "are behind, of all tenants or of one (--tenant). q quits, s sorts by something else. " +
        "Numbers of gateways are 5 s old at most, rates of rooms are over 10 s. Uses the " +
        "control plane (--control).",
    )
    .option("--once", "print one picture, as long as it is", false)
    .option("--interval <time>", "how often it is read, 1s or more", interval, 2000)
    .addOption(new Option("--sort <by>", "order of gateways").choices(SORT_KEYS))
    .addOption(outputOption());
  command
    .addHelpText(
      "after",
      examples([
        ["tidegatectl top", "until q"],
        ["ssh ops tidegatectl top --once", "one look"],
        ["tidegatectl top --once -o json | jq '.rooms[0]'", "the busiest room, for a program"],
      ]),
    )
    .action(async (options) => {
      const { showTop } = await import("./top-commands.ts");
      const target = targetOf(command, setup);
      const isAsked = command.getOptionValueSourceWithGlobals("tenant") === "cli";
      if (isAsked) tenantParent(target); // refuses what is no tenant
      await showTop(context, target, {
        format: options.output,
        isOnce: options.once,
        intervalMs: options.interval,
        sort: options.sort ?? "connections",
        tenant: isAsked ? target.tenant : "",
      });
    });
}

function interval(text: string): number {
  const ms = spanMs(text);
  if (ms >= INTERVAL_MS_MIN) return ms;
  throw new InvalidArgumentError("It must be 1s or more.");
}
