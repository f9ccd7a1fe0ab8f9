/**
 * The command line of rooms, disconnect and fleet: their options and help. What they do is in
 * rooms-commands.ts, imported when one runs.
 */
import type { Command } from "commander";
import {
  examples,
  outputOption,
  type ProgramSetup,
  positiveNumber,
  targetOf,
} from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds rooms, disconnect and fleet. */
export function addRoomsCommands(program: Command, context: Context, setup: ProgramSetup): void {
  const group = program
    .command("rooms")
    .summary("Show rooms with members, and who is in them.")
    .description(
      "Rooms of the tenant (--tenant) as the gateways have them now. Gateways that did not " +
        "answer are named: what they have is missing. Uses the control plane (--control).",
    );
  const list = group
    .command("list")
    .summary("List rooms with members.")
    .description("Lists rooms that have members now, by name: members, gateways, messages/s.")
    .option("--class <class>", "only rooms of this class", "")
    .option("--limit <number>", "rooms at most", positiveNumber, 100)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([["tidegatectl rooms list --class chat --tenant acme", "of one class"]]),
    )
    .action(async ({ class: roomClass, limit, output }) => {
      const { listRooms } = await import("./rooms-commands.ts");
      await listRooms(context, targetOf(list, setup), roomClass, { limit, format: output });
    });
  const members = group
    .command("members")
    .summary("List who is in a room.")
    .description(
      "Lists the members of a room: connection, user and gateway. Needs the role operator.",
    )
    .argument("<room>", 'room, as "class:name"')
    .option("--limit <number>", "members at most", positiveNumber, 100)
    .addOption(outputOption())
    .addHelpText("after", examples([["tidegatectl rooms members chat:lobby", "who is there"]]))
    .action(async (room: string, { limit, output }) => {
      const { listMembers } = await import("./rooms-commands.ts");
      await listMembers(context, targetOf(members, setup), room, { limit, format: output });
    });
  addDisconnect(program, context, setup);
  addFleet(program, context, setup);
}

function addDisconnect(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("disconnect")
    .summary("Close a connection, or all of a user.")
    .description(
      "Closes with 4505 DISCONNECTED, which clients do not answer by reconnecting. A user with a " +
        "good token can connect again: end the token first. It is written to the audit log.",
    )
    .argument("[connection]", "as rooms members shows it", "")
    .option("--user <user>", "all connections of this user of the tenant", "")
    .option("--reason <sentence>", "told to the client", "")
    .option("--dry-run", "look and count, close nothing", false)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl disconnect eu-1-3f --reason 'please be kind'", "one"],
        ["tidegatectl disconnect --user mallory --tenant acme", "everywhere"],
      ]),
    )
    .action(async (connection: string, { user, reason, dryRun }) => {
      const { disconnect } = await import("./rooms-commands.ts");
      const options = { connection, user, reason, isDryRun: dryRun };
      await disconnect(context, targetOf(command, setup), options);
    });
}

function addFleet(program: Command, context: Context, setup: ProgramSetup): void {
  const command = program
    .command("fleet")
    .summary("Show how full the fleet is, and whether to add to it.")
    .description(
      "Says how much of gateways and shards is in use, and whether there should be more or " +
        "fewer, with the reason. Uses the control plane (--control).",
    )
    .addOption(outputOption())
    .option("--watch", "draw it again every 2 s, until Ctrl-C", false)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl fleet", "what to do"],
        ["tidegatectl fleet -o json | jq .gateways.wantedCount", "for a program"],
      ]),
    )
    .action(async ({ output, watch }) => {
      const { showAdvice } = await import("./rooms-commands.ts");
      await showAdvice(context, targetOf(command, setup), { format: output, isWatched: watch });
    });
}
