/**
 * The command line of `gateways drain` and `gateways undrain`: their options and their help.
 */
import type { Command } from "commander";
import { examples, type ProgramSetup, spanMs, targetOf, wholeNumber } from "./command-setup.ts";
import type { Context } from "./context.ts";
import { beginOf, changeOf, withBegin, withChange } from "./placement-program.ts";

/** Adds them to `gateways`. */
export function addDrainCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const gateways = program.commands.find((each) => each.name() === "gateways") ?? program;
  const drain = gateways
    .command("drain")
    .summary("Move the clients of a gateway to others.")
    .description(
      "Moves the clients of a gateway to others, at a pace; what is left at the deadline is closed. " +
        "It takes no clients then, until it ends or is undrained. Paused or aborted it serves again.",
    )
    .argument("<id>", "its GATEWAY_ID")
    .option("--rate <number>", "reconnects a second; 0: as it is set", wholeNumber, 0)
    .option("--announce <time>", "how long it still accepts, not ready any more", spanMs, 5000)
    .option("--deadline <time>", "when the rest is closed, from the begin", spanMs, 30_000);
  withBegin(drain)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl gateways drain gw-1 --wait", "before a machine is taken down"],
        ["tidegatectl gateways drain gw-1 --rate 100 --deadline 10m", "gently"],
      ]),
    )
    .action(async (id: string, options) => {
      const { drainGateway } = await import("./drain-commands.ts");
      const { rate, announce, deadline } = options;
      const pace = { rate, announceMs: announce, deadlineMs: deadline };
      await drainGateway(context, targetOf(drain, setup), id, pace, beginOf(drain));
    });
  const undrain = gateways
    .command("undrain")
    .summary("Have a drained gateway take clients again.")
    .description("Has a gateway that was drained take clients again.")
    .argument("<id>", "its GATEWAY_ID");
  withChange(undrain)
    .addHelpText("after", examples([["tidegatectl gateways undrain gw-1", "it stays after all"]]))
    .action(async (id: string) => {
      const { undrainGateway } = await import("./drain-commands.ts");
      await undrainGateway(context, targetOf(undrain, setup), id, changeOf(undrain));
    });
}
