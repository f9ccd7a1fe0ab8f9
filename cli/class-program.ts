/**
 * The command line of class: its subcommands, their options and their help.
 *
 * What they do is in class-commands.ts, imported when they run.
 */
import type { Command } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds class and its subcommands. */
export function addClassCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const group = program
    .command("class")
    .summary("Manage room classes: the policy of all rooms with a name prefix.")
    .description(
      "A room class is the policy of all rooms named <class>:…: whether messages are " +
        "stored, how far history reaches, who may publish. chat (durable) and live " +
        "(ephemeral) are built in. Changes reach running gateways at once. Uses the control " +
        "plane (--control).",
    )
    .addHelpText(
      "after",
      examples([
        ["tidegatectl class list", "what there is"],
        [`echo '{"name":"game","mode":"durable"}' | tidegatectl class apply -f -`, "create one"],
        ["tidegatectl class apply -f classes.json --dry-run", "see what would change"],
      ]),
    );
  addList(group, context, setup);
  addGet(group, context, setup);
  addApply(group, context, setup);
  addDelete(group, context, setup);
}

function addList(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("list")
    .summary("List the classes of a tenant.")
    .description("Lists the classes of the tenant, built-in ones included.")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl class list", "for people"],
        ["tidegatectl class list -o json > classes.json", "to keep, and to apply again"],
      ]),
    )
    .action(async (options, command: Command) => {
      await (await import("./class-commands.ts")).listClasses(
        context,
        targetOf(command, setup),
        options.output,
      );
    });
}

function addGet(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("get")
    .summary("Show one class.")
    .description("Shows one class with all its settings.")
    .argument("<class>", "its name, e.g. chat")
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl class get chat", "for people"],
        ["tidegatectl class get chat -o json > chat.json", "to edit, and to apply"],
      ]),
    )
    .action(async (name: string, options, command: Command) => {
      await (await import("./class-commands.ts")).getClass(
        context,
        targetOf(command, setup),
        name,
        options.output,
      );
    });
}

function addApply(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("apply")
    .summary("Create or change classes from a JSON file.")
    .description(
      "Creates the classes of a JSON file, or changes them to what it says; fields that it " +
        "does not name stay as they are. Prints what changed. When one class is refused, none " +
        "is touched. Fields: name, mode (durable, ephemeral; never changes), historyCountMax " +
        "(1 to 100000), historyAgeMaxS (1 to 2592000), publishPermission (clients, members, " +
        "backend), slowMemberPolicy (resync, gap, disconnect), memberCountMax (to 100000 members " +
        "of a room; 0: no limit), roomPublishesPerSecondMax, classPublishesPerSecondMax (on each " +
        "gateway, 0: no limit), payloadBytesMax (of one payload; 0: what fits a frame). With " +
        "etag: only if unchanged since it was read.",
    )
    .requiredOption("-f, --file <file>", "one class or an array of them, as JSON; - is stdin")
    .option("--dry-run", "check and show, write nothing", false)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        ["tidegatectl class apply -f classes.json", "apply a file"],
        [
          `echo '{"name":"chat","historyCountMax":500}' | tidegatectl class apply -f -`,
          "one field",
        ],
        ["tidegatectl class apply -f classes.json --dry-run -o json", "check in CI"],
      ]),
    )
    .action(async (options, command: Command) => {
      const { file, dryRun, output: format } = options;
      const target = targetOf(command, setup);
      const applyOptions = { file, isDryRun: dryRun, format };
      await (await import("./class-commands.ts")).applyClasses(context, target, applyOptions);
    });
}

function addDelete(group: Command, context: Context, setup: ProgramSetup): void {
  group
    .command("delete")
    .summary("Delete a class, or reset a built-in one.")
    .description(
      "Deletes a class: members of its rooms are sent away, stored messages stay until they " +
        "expire, and its mode is remembered. A changed built-in class gets its first settings " +
        "back.",
    )
    .argument("<class>", "its name")
    .option("--etag <etag>", "only if the class still has this etag", "")
    .option("--dry-run", "check, write nothing", false)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl class delete game", "members of game:… leave"],
        ["tidegatectl class delete chat", "as it came"],
      ]),
    )
    .action(async (name: string, options, command: Command) => {
      const deleteOptions = { etag: options.etag, isDryRun: options.dryRun };
      const target = targetOf(command, setup);
      await (await import("./class-commands.ts")).deleteClass(context, target, name, deleteOptions);
    });
}
