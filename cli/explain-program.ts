/**
 * The command line of `explain`. What it does is in explain-command.ts, imported when it runs.
 */
import { type Command, InvalidArgumentError } from "commander";
import { examples, outputOption, type ProgramSetup, targetOf } from "./command-setup.ts";
import type { Context } from "./context.ts";
import { parseSpan } from "./human-units.ts";

/** Adds explain. */
export function addExplainCommand(program: Command, context: Context, setup: ProgramSetup): void {
  const explain = program
    .command("explain")
    .summary("Say why a user did or did not get a message.")
    .description(
      "Says whether a user got a message of a room and why, or, without --message, what the user " +
        "is in the room: from what gateways wrote down in the last 24 hours, also those that were " +
        "killed since, what they say now, what is stored and what is configured. It says what it " +
        "rests on and what it does not know. docs/explain.md says more. Uses the control plane " +
        "(--control).",
    )
    .requiredOption("--room <room>", "the room, class:name")
    .requiredOption("--user <user>", "the user, as tokens name it")
    .option(
      "--message <position>",
      "which message: its position as pub and history show it; in an ephemeral room 0.0.<time_us>",
      "",
    )
    .option("--since <time>", "from when on: 30m, 2h, or an ISO 8601 time", parseSince)
    .addOption(outputOption())
    .addHelpText(
      "after",
      examples([
        [
          "tidegatectl explain --room chat:lobby --user ann --message 1.42.1763840000000000",
          "did ann get it?",
        ],
        ["tidegatectl explain --room chat:lobby --user ann --since 1h", "what is ann there?"],
      ]),
    )
    .action(async ({ room, user, message, since, output }) => {
      const { explainUser } = await import("./explain-command.ts");
      await explainUser(context, targetOf(explain, setup), { room, user, message, since }, output);
    });
}

function parseSince(text: string): Date {
  const spanMs = parseSpan(text);
  if (spanMs !== null) return new Date(Date.now() - spanMs);
  const time = new Date(text);
  if (!Number.isNaN(time.getTime())) return time;
  throw new InvalidArgumentError("It must be like 30m or 2h, or an ISO 8601 time.");
}
