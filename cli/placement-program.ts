/**
 * The command line of what changes placement: shards, slots, groups and rebalance.
 *
 * What they do is in placement-commands.ts, imported when they run.
 */
import type { Command } from "commander";
import {
  byteCount,
  examples,
  type OutputFormat,
  outputOption,
  type ProgramSetup,
  parseRate,
  positiveNumber,
  spanMs,
  targetOf,
  wholeNumber,
  wordList,
} from "./command-setup.ts";
import type { Context } from "./context.ts";
import type { ShardOptions } from "./placement-commands.ts";

/** Values of the options of a shard. */
interface ShardFlags {
  readonly region?: string;
  readonly capacity?: number;
  readonly replicas?: number;
  readonly roomMessages?: number;
  readonly retention?: number;
  readonly size?: number;
  readonly tags?: string[];
}

/** Adds the changes of shards and slots to their commands, and rebalance. */
export function addPlacementCommands(
  program: Command,
  context: Context,
  setup: ProgramSetup,
): void {
  const named = (name: string) => program.commands.find((each) => each.name() === name) ?? program;
  const shards = named("shards");
  addShardSettings(shards, context, setup);
  addShardStates(shards, context, setup);
  addShardEnds(shards, context, setup);
  addSlotMoves(named("slots"), context, setup);
  addSlotPins(named("slots"), context, setup);
  addRebalance(program, context, setup);
}

function addShardSettings(shards: Command, context: Context, setup: ProgramSetup): void {
  const create = withShardFlags(shards.command("create"))
    .summary("Create a shard.")
    .description(
      "Creates a shard with the next free number. It has no slots until rebalance moves some to " +
        "it. What is left out is as the control plane's options say.",
    )
    .option("--group <number>", "placement group", wholeNumber, 0);
  withChange(create)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl shards create --size 64GiB --retention 7d", "a large one for a week"],
        ["tidegatectl shards create --region eu --dry-run", "whether it could be"],
      ]),
    )
    .action(async (options) => {
      const { createShard } = await import("./placement-commands.ts");
      const target = targetOf(create, setup);
      await createShard(context, target, options.group, shardOptions(options), changeOf(create));
    });
  const update = withShardFlags(shards.command("update"))
    .summary("Resize a shard, or place it elsewhere.")
    .description("Changes what is named of a shard, live.")
    .argument("<shard>", "its number", wholeNumber);
  withChange(update)
    .addHelpText("after", examples([["tidegatectl shards update 3 --size 128GiB", "more room"]]))
    .action(async (shard: number, options) => {
      const { updateShard } = await import("./placement-commands.ts");
      const target = targetOf(update, setup);
      await updateShard(context, target, shard, shardOptions(options), changeOf(update));
    });
}

function addShardStates(shards: Command, context: Context, setup: ProgramSetup): void {
  const drain = shards
    .command("drain")
    .summary("Move all slots off a shard, then retire it.")
    .description(
      "Moves all slots of a shard to the others of its group, live, then retires it: what it " +
        "stores stays readable. A full one too. --dry-run shows the moves.",
    )
    .argument("<shard>", "its number", wholeNumber);
  withBegin(drain)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl shards drain 3 --dry-run", "which slots would move where"],
        ["tidegatectl shards drain 3 --wait", "until it is retired"],
      ]),
    )
    .action(async (shard: number) => {
      const { drainShard } = await import("./placement-commands.ts");
      await drainShard(context, targetOf(drain, setup), shard, beginOf(drain));
    });
  const verbs = [
    ["retire", "Retire a shard that has no slots.", "It gets no slots any more."],
    ["activate", "Give a retired shard slots again.", "Makes a retired shard active again."],
  ] as const;
  for (const [verb, summary, description] of verbs) {
    const command = shards
      .command(verb)
      .summary(summary)
      .description(description)
      .argument("<shard>", "its number", wholeNumber);
    withChange(command)
      .addHelpText("after", examples([[`tidegatectl shards ${verb} 3`, summary]]))
      .action(async (shard: number) => {
        const { setShardState } = await import("./placement-commands.ts");
        await setShardState(context, targetOf(command, setup), shard, verb, changeOf(command));
      });
  }
}

function addShardEnds(shards: Command, context: Context, setup: ProgramSetup): void {
  const command = shards
    .command("delete")
    .summary("Delete a retired shard with what it stores.")
    .description(
      "Deletes a retired shard. Refused while its newest message is within retention, unless " +
        "--discard-history: those messages are lost by that.",
    )
    .argument("<shard>", "its number", wholeNumber)
    .option("--discard-history", "also messages that can still be read", false)
    .option("--dry-run", "check, and write nothing", false)
    .addHelpText("after", examples([["tidegatectl shards delete 3", "once nobody reads it"]]))
    .action(async (shard: number, options) => {
      const { deleteShard } = await import("./placement-commands.ts");
      const how = { isDryRun: options.dryRun, discardHistory: options.discardHistory };
      await deleteShard(context, targetOf(command, setup), shard, how);
    });
}

function addSlotMoves(slots: Command, context: Context, setup: ProgramSetup): void {
  const move = slots
    .command("move")
    .summary("Move a slot to another shard, live.")
    .description("Moves a slot to another shard of its group: its rooms notice milliseconds.")
    .argument("<slot>", "its number; of group 1 e.g. 1-5")
    .requiredOption("--to <shard>", "where to", wholeNumber)
    .option("--pin", "and pin it there", false);
  withBegin(move)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl slots move 517 --to 3 --wait", "until it is there"],
        ["tidegatectl slots move 517 --to 3 --pin", "for good"],
      ]),
    )
    .action(async (slot: string, options) => {
      const { moveSlot } = await import("./placement-commands.ts");
      const how = { ...beginOf(move), pin: options.pin };
      await moveSlot(context, targetOf(move, setup), slot, options.to, how);
    });
}

function addSlotPins(slots: Command, context: Context, setup: ProgramSetup): void {
  const pin = slots
    .command("pin")
    .summary("Tie a slot to a shard.")
    .description("Ties a slot to a shard: rebalance moves it there, and never away.")
    .argument("<slot>", "its number; of group 1 e.g. 1-5")
    .option("--to <shard>", "to this one; else to where it is", wholeNumber);
  withChange(pin)
    .addHelpText("after", examples([["tidegatectl slots pin 517 --to 3", "to shard 3"]]))
    .action(async (slot: string, options) => {
      const { pinSlot } = await import("./placement-commands.ts");
      const target = targetOf(pin, setup);
      await pinSlot(context, target, slot, "pin", options.to ?? null, changeOf(pin));
    });
  const unpin = slots
    .command("unpin")
    .summary("Let a slot be moved again.")
    .description("Takes the pin of a slot away.")
    .argument("<slot>", "its number; of group 1 e.g. 1-5");
  withChange(unpin)
    .addHelpText("after", examples([["tidegatectl slots unpin 517", "free to move"]]))
    .action(async (slot: string) => {
      const { pinSlot } = await import("./placement-commands.ts");
      await pinSlot(context, targetOf(unpin, setup), slot, "unpin", null, changeOf(unpin));
    });
}

function addRebalance(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("rebalance")
    .summary("Spread the slots of a group anew.")
    .description(
      "Spreads the slots of a group over its shards by pins, regions and load, as live moves at a " +
        "limited rate. Ends at once when all is even. --dry-run shows the moves.",
    )
    .argument("[group]", "placement group", wholeNumber, 0);
  withBegin(command)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl rebalance --dry-run", "which slots would move where"],
        ["tidegatectl rebalance --wait", "after a shard was created"],
      ]),
    )
    .action(async (group: number) => {
      const { rebalance } = await import("./placement-commands.ts");
      await rebalance(context, targetOf(command, setup), group, beginOf(command));
    });
}

/** Options that set something of a shard. */
export function withShardFlags(command: Command): Command {
  return command
    .option("--region <region>", "where it is to be")
    .option("--capacity <number>", "what it can carry beside the others", parseRate)
    .option("--replicas <number>", "copies: 1, 3 or 5", positiveNumber)
    .option("--room-messages <number>", "newest messages kept of each room", positiveNumber)
    .option("--retention <time>", "age at which messages are deleted, such as 7d", spanMs)
    .option("--size <bytes>", "what it may store, such as 64GiB", byteCount)
    .option("--tags <list>", "of servers that may hold a copy, such as az:a,ssd", wordList);
}

/** The fields of a shard that options name. */
export function shardOptions(flags: ShardFlags): ShardOptions {
  const { region, capacity, replicas, roomMessages, retention, size, tags } = flags;
  return {
    ...(region === undefined ? {} : { region }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(replicas === undefined ? {} : { replicas }),
    ...(roomMessages === undefined ? {} : { roomMessages }),
    ...(retention === undefined ? {} : { retentionMs: retention }),
    ...(size === undefined ? {} : { bytes: size }),
    ...(tags === undefined ? {} : { tags }),
  };
}

/** Options of a command that changes something at once. */
export function withChange(command: Command): Command {
  return command
    .addOption(outputOption())
    .option("--dry-run", "check and show, write nothing", false);
}

/** Their values. `shards -o` and `slots -o` take the option of what stands behind them, too. */
export function changeOf(command: Command) {
  const { output, dryRun } = command.optsWithGlobals<{ output: OutputFormat; dryRun: boolean }>();
  return { format: output, isDryRun: dryRun };
}

/** Options of a command that begins an operation. */
export function withBegin(command: Command): Command {
  return withChange(command).option("--wait", "follow it to its end", false);
}

/** Their values. */
export function beginOf(command: Command) {
  return { ...changeOf(command), isWaiting: command.opts<{ wait: boolean }>().wait };
}
