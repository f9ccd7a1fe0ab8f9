/**
 * The command line of gateways, shards, slots and route: their options and their help.
 *
 * What they do is in fleet-commands.ts, imported when they run.
 */
import type { Command } from "commander";
import {
  examples,
  outputOption,
  type ProgramSetup,
  targetOf,
  wholeNumber,
} from "./command-setup.ts";
import type { Context } from "./context.ts";
import type { ViewOptions } from "./fleet-commands.ts";

/** Adds gateways, shards, slots and route. */
export function addFleetCommands(program: Command, context: Context, setup: ProgramSetup): void {
  addGateways(program, context, setup);
  addShards(program, context, setup);
  addSlots(program, context, setup);
  addRoute(program, context, setup);
}

function addGateways(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("gateways")
    .summary("Show the processes of the fleet, or one of them.")
    .description(
      "Shows the processes that hold a lease: gateways, control planes (control) and both in " +
        "one (all). A killed one stays until its lease ends, up to 45 s, and is silent from " +
        "10 s on; silent may also be frozen or cut off. Uses the control plane (--control).",
    )
    .argument("[id]", "one process, with all that is known of it", "");
  withView(command)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl gateways", "who is there"],
        ["tidegatectl gateways --watch", "during a restart"],
        ["tidegatectl gateways eu-1 -o json", "one of them, for a program"],
      ]),
    )
    .action(async (id: string, options) => {
      const { showGateways } = await import("./fleet-commands.ts");
      await showGateways(context, targetOf(command, setup), id, viewOf(options));
    });
}

function addShards(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("shards")
    .summary("Show what each shard stores, or one of them.")
    .description(
      "Shows the shards: how many slots each owns (+ those on their way to it), how many " +
        "messages it stores, its last sequence, how full it is, its copies and its leader. " +
        "One that does not answer has dashes, and the reason below. Uses the control plane " +
        "(--control).",
    )
    .argument("[shard]", "one shard, with its settings", wholeNumber);
  withView(command)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl shards", "how full they are"],
        ["tidegatectl shards 0", "one with its settings"],
        ["tidegatectl shards -o json | jq '.[] | select(.trouble != \"\")'", "those with trouble"],
      ]),
    )
    .action(async (shard: number | undefined, options) => {
      const { showShards } = await import("./fleet-commands.ts");
      await showShards(context, targetOf(command, setup), shard ?? null, viewOf(options));
    });
}

function addSlots(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("slots")
    .summary("Show which shard owns which slot, or one of them.")
    .description(
      "Shows the slots: state, epoch and shard of each; while it moves (sealing, removing), the " +
        "shard it moves to; when its epoch opened, and how many earlier ones are still " +
        "readable. Uses the control plane (--control).",
    )
    .argument("[slot]", "one slot, with its earlier epochs; of group 1 e.g. 1-5")
    .option("--shard <number>", "only slots that it owns, or that move to it", wholeNumber)
    .option("--moving", "only slots that move now", false);
  withView(command)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl slots --shard 3", "what a shard owns"],
        ["tidegatectl slots --moving --watch", "what moves"],
        ["tidegatectl slots 517", "one with its history"],
      ]),
    )
    .action(async (slot: string | undefined, options) => {
      const { showSlots } = await import("./fleet-commands.ts");
      const filter = { shard: options.shard ?? null, isMoving: options.moving };
      const target = targetOf(command, setup);
      await showSlots(context, target, slot ?? null, filter, viewOf(options));
    });
}

function addRoute(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("route")
    .summary("Show which slot and shard a room is in.")
    .description(
      "Shows the slot of a room of the tenant (--tenant), the shard that stores its messages, " +
        "and the epoch. The room needs not exist. Uses the control plane (--control).",
    )
    .argument("<room>", 'room, as "class:name"');
  withView(command)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl route chat:lobby", "where its messages are stored"],
        ["tidegatectl route chat:lobby --tenant acme -o json", "of another tenant, for a program"],
      ]),
    )
    .action(async (room: string, options) => {
      const { showRoute } = await import("./fleet-commands.ts");
      await showRoute(context, targetOf(command, setup), room, viewOf(options));
    });
}

function withView(command: Command): Command {
  return command
    .addOption(outputOption())
    .option("--watch", "draw it again every 2 s, until Ctrl-C", false);
}

function viewOf(options: { output: ViewOptions["format"]; watch: boolean }): ViewOptions {
  return { format: options.output, isWatched: options.watch };
}
