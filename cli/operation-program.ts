/**
 * The command line of operations: their options and their help.
 *
 * What they do is in operation-commands.ts, imported when they run.
 */
import type { Command } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds operations and what can be done with them. */
export function addOperationCommands(
  program: Command,
  context: Context,
  setup: ProgramSetup,
): void {
  const operations = program
    .command("operations")
    .summary("Follow, pause, resume and abort moves and drains.")
    .description(
      "Work that goes on after the command that began it: moves of slots, drains, rebalances. " +
        "The leader among the control planes does it; when that one dies, the next goes on. Of " +
        "those that have ended the newest 200 are kept.",
    );
  addReads(operations, context, setup);
  addWatch(operations, context, setup);
  addSteering(operations, context, setup);
}

function addReads(operations: Command, context: Context, setup: ProgramSetup): void {
  const list = operations
    .command("list")
    .summary("List operations, newest first.")
    .description("Lists operations, newest first: their state, and how far they are.")
    .addOption(outputOption())
    .option("--running", "only those that have not ended", false)
    .option("--watch", "draw it again every 2 s, until Ctrl-C", false)
    .addHelpText(
      "after",
      examples([["tidegatectl operations list --running --watch", "what is going on"]]),
    )
    .action(async (options) => {
      const { listOperations } = await import("./operation-commands.ts");
      const view = { format: options.output, isWatched: options.watch };
      const filter = { isRunningOnly: options.running };
      await listOperations(context, targetOf(list, setup), filter, view);
    });
  const get = operations
    .command("get")
    .summary("Show one operation with its moves.")
    .description("Shows one operation with all that is known of it, and its moves.")
    .argument("<id>", "the operation")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([["tidegatectl operations get 0m1k2j3h4-0a1b2c3", "one of them"]]),
    )
    .action(async (id: string, options) => {
      const { getOperation } = await import("./operation-commands.ts");
      await getOperation(context, targetOf(get, setup), id, options.output);
    });
}

function addWatch(operations: Command, context: Context, setup: ProgramSetup): void {
  const watch = operations
    .command("watch")
    .summary("Follow an operation until it has ended.")
    .description(
      "Follows an operation until it has ended: on a terminal as a bar, else a line for each " +
        "change, with -o json an object a line. Ctrl-C ends the watch, not the operation. A " +
        "control plane that goes away is waited for. Fails when the operation failed or was " +
        "aborted.",
    )
    .argument("<id>", "the operation")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([["tidegatectl operations watch 0m1k2j3h4-0a1b2c3", "until it has ended"]]),
    )
    .action(async (id: string, options) => {
      const { watchOperation } = await import("./operation-commands.ts");
      await watchOperation(context, targetOf(watch, setup), id, options.output);
    });
}

function addSteering(operations: Command, context: Context, setup: ProgramSetup): void {
  const verbs = [
    ["pause", "Begin nothing more of it.", "What is moving ends by itself; resume goes on."],
    ["resume", "Go on with a paused one.", "Goes on with a paused operation."],
    [
      "abort",
      "End it; what was done stays.",
      "Ends an operation once what is moving has ended: moved slots stay where they are, and a " +
        "shard that was draining takes slots again.",
    ],
  ] as const;
  for (const [verb, summary, description] of verbs) {
    const command = operations
      .command(verb)
      .summary(summary)
      .description(description)
      .argument("<id>", "the operation")
      .addOption(outputOption())
      .option("--dry-run", "check, and write nothing", false)
      .addHelpText(
        "after",
        examples([[`tidegatectl operations ${verb} 0m1k2j3h4-0a1b2c3`, summary]]),
      )
      .action(async (id: string, options) => {
        const { steerOperation } = await import("./operation-commands.ts");
        const how = { format: options.output, isDryRun: options.dryRun };
        await steerOperation(context, targetOf(command, setup), id, verb, how);
      });
  }
}
