/**
 * The command line of placement groups: their options and their help.
 *
 * What they do is in placement-commands.ts, imported when they run.
 */
import type { Command } from "commander";
import {
  examples,
  outputOption,
  type ProgramSetup,
  positiveNumber,
  targetOf,
  wholeNumber,
  wordList,
} from "./command-setup.ts";
import type { Context } from "./context.ts";
import { changeOf, shardOptions, withChange, withShardFlags } from "./placement-program.ts";

/** Adds groups and what can be done with them. */
export function addGroupCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const groups = program
    .command("groups")
    .summary("Manage placement groups: slots with shards of their own.")
    .description(
      "A placement group has 1024 slots, the shards that own them, and regions where they may " +
        "be. A room class belongs to one for ever (class apply, placementGroup); group 0 is there " +
        "from the start.",
    );
  addReads(groups, context, setup);
  addCreate(groups, context, setup);
  addChanges(groups, context, setup);
}

function addReads(groups: Command, context: Context, setup: ProgramSetup): void {
  const list = groups
    .command("list")
    .summary("List placement groups.")
    .description("Lists placement groups with their regions and shards.")
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl groups list", "all of them"]]))
    .action(async (options) => {
      const { listGroups } = await import("./placement-commands.ts");
      await listGroups(context, targetOf(list, setup), options.output);
    });
  const get = groups
    .command("get")
    .summary("Show one placement group.")
    .description("Shows one placement group.")
    .argument("<group>", "its number", wholeNumber)
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl groups get 1", "one of them"]]))
    .action(async (group: number, options) => {
      const { getGroup } = await import("./placement-commands.ts");
      await getGroup(context, targetOf(get, setup), group, options.output);
    });
}

function addCreate(groups: Command, context: Context, setup: ProgramSetup): void {
  const create = withShardFlags(groups.command("create"))
    .summary("Create a placement group with its first shards.")
    .description("Creates a placement group and its first shards, which share its slots evenly.")
    .argument("<group>", "its number, 1 to 15", wholeNumber)
    .option("--regions <list>", "where it may be, such as eu,us; else anywhere", wordList, [])
    .option("--shards <number>", "shards to begin with", positiveNumber, 1);
  withChange(create)
    .addHelpText(
      "after",
      examples([["tidegatectl groups create 1 --regions eu --shards 4", "for rooms in eu"]]),
    )
    .action(async (group: number, options) => {
      const { createGroup } = await import("./placement-commands.ts");
      const { regions, shards: shardCount } = options;
      const wish = { ...shardOptions(options), regions, shardCount };
      await createGroup(context, targetOf(create, setup), group, wish, changeOf(create));
    });
}

function addChanges(groups: Command, context: Context, setup: ProgramSetup): void {
  const update = groups
    .command("update")
    .summary("Say where a placement group may be.")
    .description(
      "Changes the regions of a placement group; rebalance moves slots that are outside.",
    )
    .argument("<group>", "its number", wholeNumber)
    .requiredOption(
      "--regions <list>",
      'where it may be, such as eu,us; "" for anywhere',
      wordList,
    );
  withChange(update)
    .addHelpText("after", examples([["tidegatectl groups update 1 --regions eu", "in eu only"]]))
    .action(async (group: number, options) => {
      const { updateGroup } = await import("./placement-commands.ts");
      const target = targetOf(update, setup);
      await updateGroup(context, target, group, options.regions, changeOf(update));
    });
  const remove = groups
    .command("delete")
    .summary("Delete a placement group that no class is in.")
    .description("Deletes a placement group with its shards; refused once a room class was in it.")
    .argument("<group>", "its number", wholeNumber)
    .option("--dry-run", "check, and write nothing", false)
    .addHelpText("after", examples([["tidegatectl groups delete 1", "one that was never used"]]))
    .action(async (group: number, options) => {
      const { deleteGroup } = await import("./placement-commands.ts");
      await deleteGroup(context, targetOf(remove, setup), group, { isDryRun: options.dryRun });
    });
}
