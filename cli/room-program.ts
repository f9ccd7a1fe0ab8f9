/**
 * The command line of pub, sub and history: their options and their help.
 *
 * What they do is in pub-command.ts, sub-command.ts and history-command.ts, imported when they run,
 * so that help and completion answer at once.
 */
import type { Command } from "commander";
import {
  examples,
  type ProgramSetup,
  parseRate,
  positiveNumber,
  targetOf,
  wholeNumber,
} from "./command-setup.ts";
import type { Context } from "./context.ts";

/** Adds pub, sub and history. */
export function addRoomCommands(program: Command, context: Context, setup: ProgramSetup): void {
  addPub(program, context, setup);
  addSub(program, context, setup);
  addHistory(program, context, setup);
}

function addPub(program: Command, context: Context, setup: ProgramSetup): void {
  program
    .command("pub")
    .summary("Publish messages: each line of the input is one.")
    .description(
      "Publishes each line of stdin, or of a file, as one message, in order, and counts " +
        "acknowledgements. In durable rooms an acknowledged message is stored. Bytes are sent " +
        "as they are. Stops at the first failure.",
    )
    .argument("<room>", 'room, as "class:name"')
    .argument("[message...]", "messages; then nothing is read")
    .option("-f, --file <file>", "read this file; - is stdin", "-")
    .option("--rate <number>", "messages a second at most; 0: no limit", parseRate, 0)
    .option("--whole", "the whole input is one message", false)
    .option("--trace", "ask for a trace of each message, and print its id", false)
    .option("-q, --quiet", "no progress and no summary on stderr", false)
    .addHelpText(
      "after",
      examples([
        ["echo hello | tidegatectl pub chat:lobby", "one message"],
        ["tidegatectl pub chat:lobby 'good morning' 'anyone here?'", "two messages"],
        ["tidegatectl pub chat:log -f app.log --rate 100", "a file, 100 lines a second"],
        ["tail -f app.log | tidegatectl pub live:log", "as it grows"],
      ]),
    )
    .action(async (room: string, messages: string[], options, command: Command) => {
      const { pub } = await import("./pub-command.ts");
      const { file, rate, whole, quiet, trace } = options;
      const target = targetOf(command, setup);
      const pubOptions = { messages, file, rate, isWhole: whole, isQuiet: quiet, isTraced: trace };
      await pub(context, target, setup.version, room, pubOptions);
    });
}

function addSub(program: Command, context: Context, setup: ProgramSetup): void {
  program
    .command("sub")
    .summary("Join rooms and print their messages as they come.")
    .description(
      "Joins rooms and prints each message as one line, until Ctrl-C. Lost connections are " +
        "mended and resumed without a gap; if messages are missing for good, stderr says so. " +
        "With several rooms each line begins with its room and a tab.",
    )
    .argument("<room...>", 'rooms, as "class:name"')
    .option("--json", "one JSON object a line: room, position, user, sentAt, payload", false)
    .option("--since <position>", "begin after this message of a durable room", "")
    .option("--history <number>", "begin with the newest stored messages, 0 to 500", wholeNumber, 0)
    .option("--count <number>", "end after this many messages; 0: never", wholeNumber, 0)
    .option("--positions", "print each message's position and a tab before it", false)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl sub chat:lobby", "what comes from now on"],
        ["tidegatectl sub chat:lobby --history 10 --positions", "the last ten first"],
        ["tidegatectl sub chat:lobby --since 1.42.1763800000000000", "go on where you were"],
        [
          "tidegatectl sub chat:lobby live:cursors --json | jq .payload",
          "two rooms, for a program",
        ],
      ]),
    )
    .action(async (rooms: string[], options, command: Command) => {
      const { sub } = await import("./sub-command.ts");
      const { json, positions, since, history, count } = options;
      const subOptions = { isJson: json, hasPosition: positions, since, history, count };
      await sub(context, targetOf(command, setup), setup.version, rooms, subOptions);
    });
}

function addHistory(program: Command, context: Context, setup: ProgramSetup): void {
  program
    .command("history")
    .summary("Print what a durable room has stored.")
    .description("Prints stored messages of a durable room, oldest first, without joining it.")
    .argument("<room>", 'room, as "class:name"')
    .option("--limit <number>", "the newest so many", positiveNumber, 50)
    .option("--before <position>", "the newest before this message", "")
    .option("--all", "everything that the class keeps", false)
    .option("--json", "one JSON object a line", false)
    .option("--positions", "print each message's position and a tab before it", false)
    .addHelpText(
      "after",
      examples([
        ["tidegatectl history chat:lobby", "the newest 50"],
        ["tidegatectl history chat:lobby --all --json > lobby.ndjson", "all of it, for a program"],
        ["tidegatectl history chat:lobby --limit 5 --before 1.42.1763800000000000", "older ones"],
      ]),
    )
    .action(async (room: string, options, command: Command) => {
      const { history } = await import("./history-command.ts");
      const { json, positions, before, all } = options;
      const limit = all ? Number.POSITIVE_INFINITY : options.limit;
      const historyOptions = { isJson: json, hasPosition: positions, before, limit };
      await history(context, targetOf(command, setup), setup.version, room, historyOptions);
    });
}
