/**
 * The command line of version gates: its commands, options and help. What they do is in
 * gate-commands.ts, imported when one runs.
 */
import type { Command } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds gates. */
export function addGateCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const group = program
    .command("gates")
    .alias("gate")
    .summary("Allow, warn, hold to reading or refuse client builds.")
    .description(
      "Version gates: what client builds may do, by name, platform and semantic version, and " +
        "which of them may share rooms. Uses the control plane (--control).",
    );
  group
    .command("list")
    .summary("List the gates.")
    .description("Lists all version gates by name.")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl gates list -o yaml > gates.yaml", "keep them"]]))
    .action(async ({ output }, command: Command) => {
      const { listGates } = await import("./gate-commands.ts");
      await listGates(context, targetOf(command, setup), output);
    });
  group
    .command("get")
    .summary("Show one gate.")
    .description("Shows one gate, with its etag.")
    .argument("<gate>", "its name")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl gates get game-2 -o yaml", "to be edited"]]))
    .action(async (gate: string, { output }, command: Command) => {
      const { getGate } = await import("./gate-commands.ts");
      await getGate(context, targetOf(command, setup), gate, output);
    });
  addApply(group, context, setup);
  group
    .command("delete")
    .summary("Delete a gate.")
    .description("Deletes a gate: nobody is held by it any more, also of those who are connected.")
    .argument("<gate>", "its name")
    .option("--etag <etag>", "only if the gate still has this etag", "")
    .option("--dry-run", "say whom it would concern, write nothing", false)
    .addHelpText("after", examples([["tidegatectl gates delete game-2 --dry-run", "who is freed"]]))
    .action(async (gate: string, { etag, dryRun }, command: Command) => {
      const { deleteGate } = await import("./gate-commands.ts");
      const target = targetOf(command, setup);
      await deleteGate(context, target, gate, { etag, isDryRun: dryRun });
    });
  addTest(group, context, setup);
}

function addApply(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("apply")
    .summary("Create or replace gates from a file.")
    .description(
      "Makes gates what the file says: one gate or an array of them, JSON or YAML. A field that " +
        "the file leaves out has its default. It holds within milliseconds, also for those who " +
        "are connected. With --dry-run every gateway is asked how many of its open connections " +
        "it would concern, by build.",
    )
    .requiredOption("-f, --file <file>", "the file, - for stdin")
    .option("--dry-run", "check, say whom it would concern, write nothing", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl gates apply -f gates.yaml --dry-run", "who would be affected"],
        ["tidegatectl gates apply -f gates.yaml", "let it be so"],
      ]),
    )
    .action(async ({ file, dryRun, output }, command: Command) => {
      const { applyGates } = await import("./gate-commands.ts");
      const options = { file, isDryRun: dryRun, format: output };
      await applyGates(context, targetOf(command, setup), options);
    });
}

function addTest(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("test")
    .summary("Say what a client would get, and why.")
    .description(
      "Says what a given client of the tenant (--tenant) would get, and how each gate looks at " +
        "it, by the rules that gateways follow.",
    )
    .argument("<build>", "name@version, as the client says in Hello")
    .option("--platform <platform>", "as the client says in Hello", "")
    .option("--user <user>", "for gates with a percentage", "")
    .option("--room <room>", "also judge joining this room", "")
    .option("-f, --file <file>", "as if this gate were in force; - for stdin", "")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl gates test game@2.0.1 --platform ios", "may it come in"],
        ["tidegatectl gates test game@2.0.1 --room game:lobby -f new.yaml", "and then"],
      ]),
    )
    .action(async (build: string, { platform, user, room, file, output }, command: Command) => {
      const { testGates } = await import("./gate-commands.ts");
      const tried = { build, platform, user, room, file };
      await testGates(context, targetOf(command, setup), tried, output);
    });
}
