/**
 * The command line of trace: its options and its help.
 */
import type { Command } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds trace. */
export function addTraceCommand(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("trace")
    .summary("Follow one message over all processes, as a time line.")
    .description(
      "Shows the spans that gateways and control planes still have of a trace: who did what, when, " +
        "for how long. The id is in PublishAck, in logs and exemplars; pub --trace prints it. Needs " +
        "the role operator. Uses the control plane (--control).",
    )
    .argument("<id>", "32 hex digits, or a whole traceparent")
    .addOption(outputOption());
  command
    .addHelpText(
      "after",
      examples([
        ["tidegatectl pub chat:lobby hello --trace", "make one"],
        ["tidegatectl trace 4bf92f3577b34da6a3ce929d0e0e4736", "look at it"],
      ]),
    )
    .action(async (id: string, { output }) => {
      const { showTrace } = await import("./trace-commands.ts");
      await showTrace(context, targetOf(command, setup), id, output);
    });
}
