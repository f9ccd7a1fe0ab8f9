/**
 * The command line of log-level: its options and its help.
 */
import { Argument, type Command } from "commander";
import { examples, outputOption, type ProgramSetup, spanMs, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";
import { LEVEL_WORDS, type LevelWord } from "./level-words.ts";

/** Adds log-level. */
export function addLogCommand(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("log-level")
    .summary("Show what processes log, or change it for a while.")
    .description(
      "Shows the level of each process's log or, with a level, has all of them, or one, log from " +
        "that level on for a while; then the usual one (LOG_LEVEL) is in force again. usual ends " +
        "it at once. Uses the control plane (--control).",
    )
    .addArgument(new Argument("[level]", "log from this level on").choices(LEVEL_WORDS))
    .option("--process <id>", "only this one: a gateway or control plane", "")
    .option("--for <time>", "how long, at most 24h", spanMs, 900_000)
    .option("--dry-run", "check and show, change nothing", false)
    .addOption(outputOption());
  command
    .addHelpText(
      "after",
      examples([
        ["tidegatectl log-level", "who logs what"],
        ["tidegatectl log-level debug --process eu-1 --for 5m", "look closely at one"],
        ["tidegatectl log-level usual", "enough seen"],
      ]),
    )
    .action(async (word: LevelWord | undefined, options) => {
      const { logLevel } = await import("./log-commands.ts");
      await logLevel(context, targetOf(command, setup), word ?? null, {
        process: options.process,
        forMs: options.for,
        isDryRun: options.dryRun,
        format: options.output,
      });
    });
}
