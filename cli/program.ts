/**
 * The command line: commands, options, and the help that teaches them.
 *
 * Commands are imported when they run, so that `--help` and completion answer at once.
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { addAuditCommand } from "./audit-program.ts";
import { addClassCommands } from "./class-program.ts";
import { examples, type ProgramSetup } from "./command-setup.ts";
import { type CommandWords, completionScript, SHELLS, type Shell } from "./completion.ts";
import { type Context, print, type TargetDefaults } from "./context.ts";
import { addDrainCommands } from "./drain-program.ts";
import { EXIT_CODE_MEANINGS } from "./exit-code.ts";
import { addExplainCommand } from "./explain-program.ts";
import { usageError } from "./failure.ts";
import { addFlagCommands } from "./flag-program.ts";
import { addFleetCommands } from "./fleet-program.ts";
import { addGateCommands } from "./gate-program.ts";
import { addGroupCommands } from "./group-program.ts";
import { addLimitCommands } from "./limit-program.ts";
import { addLogCommand } from "./log-program.ts";
import { addOperationCommands } from "./operation-program.ts";
import { addPlacementCommands } from "./placement-program.ts";
import { addRevocationCommands } from "./revocation-program.ts";
import { addRoomCommands } from "./room-program.ts";
import { addRoomsCommands } from "./rooms-program.ts";
import { addTopCommand } from "./top-program.ts";
import { addTraceCommand } from "./trace-program.ts";

/** Options whose value is a file, for completion. */
const fileOptions = ["--file", "--token-file", "--tls-ca", "--tls-cert", "--tls-key"];

/** Builds the program; `parseAsync` runs it. Usage errors come as CommanderError. */
export function buildProgram(context: Context, setup: ProgramSetup): Command {
  const program = new Command("tidegatectl");
  program
    .description("Publish, read and watch Tidegate rooms, manage their classes, see the fleet.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void context.stdout.write(text),
      writeErr: (text) => void context.stderr.write(text),
      outputError: () => {}, // main.ts tells it once, like every other failure
    })
    .configureHelp({ optionDescription: describeOption });
  addGlobalOptions(program, setup.defaults);
  addRoomCommands(program, context, setup);
  addRoomsCommands(program, context, setup);
  addClassCommands(program, context, setup);
  addLimitCommands(program, context, setup);
  addFlagCommands(program, context, setup);
  addGateCommands(program, context, setup);
  addRevocationCommands(program, context, setup);
  addFleetCommands(program, context, setup);
  addPlacementCommands(program, context, setup);
  addDrainCommands(program, context, setup);
  addGroupCommands(program, context, setup);
  addOperationCommands(program, context, setup);
  addTopCommand(program, context, setup);
  addTraceCommand(program, context, setup);
  addLogCommand(program, context, setup);
  addAuditCommand(program, context, setup);
  addExplainCommand(program, context, setup);
  addOtherCommands(program, context, setup);
  program.helpCommand("help [command]", "Explain a command.");
  program.addHelpText("after", programHelp());
  return program;
}

/** Whether parsing ended because help or the version was asked for. */
export function isHelp(reason: unknown): boolean {
  return reason instanceof CommanderError && reason.exitCode === 0;
}

/** A usage error of commander as ours; other things as they are. */
export function asFailure(reason: unknown): unknown {
  if (!(reason instanceof CommanderError)) return reason;
  if (reason.code === "commander.help") {
    return usageError("a command is missing", "The commands are above.");
  }
  const detail = reason.message.replace(/^error: /, "").replaceAll("\n", " ");
  return usageError(detail, "tidegatectl help [command] explains the commands.");
}

function addGlobalOptions(program: Command, defaults: TargetDefaults): void {
  program
    .option("--url <url>", "gateway, for pub, sub and history (TIDEGATE_URL)", defaults.url)
    .option(
      "--control <host:port>",
      "control plane, or several with commas: the first that answers (TIDEGATE_CONTROL)",
      defaults.control,
    )
    .addOption(
      new Option(
        "--token <token>",
        "bearer token for gateway or control plane (TIDEGATE_TOKEN)",
      ).default(defaults.token, "none"),
    )
    .option(
      "--token-file <file>",
      "read the token from a file: it stays out of the process list (TIDEGATE_TOKEN_FILE)",
      defaults.tokenFile,
    )
    .option(
      "--tls-ca <file>",
      "TLS to the control plane, whose certificate leads to this one; or system (TIDEGATE_TLS_CA)",
      defaults.tlsCa,
    )
    .option(
      "--tls-cert <file>",
      "certificate to show to the control plane (TIDEGATE_TLS_CERT)",
      defaults.tlsCert,
    )
    .option("--tls-key <file>", "private key of --tls-cert (TIDEGATE_TLS_KEY)", defaults.tlsKey)
    .option("--tenant <tenant>", "tenant, for class and route (TIDEGATE_TENANT)", defaults.tenant);
}

function addOtherCommands(program: Command, context: Context, setup: ProgramSetup): void {
  program
    .command("completion")
    .summary("Print a completion script for your shell.")
    .description("Prints a completion script; its first lines say where it goes.")
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .addHelpText(
      "after",
      examples([
        ["source <(tidegatectl completion bash)", "for this shell"],
        [
          "tidegatectl completion fish > ~/.config/fish/completions/tidegatectl.fish",
          "for all to come",
        ],
      ]),
    )
    .action((shell: Shell) => print(context, completionScript(shell, commandWords(program))));
  program
    .command("version")
    .summary("Print the version.")
    .description("Prints the version of tidegatectl.")
    .action(() => print(context, `tidegatectl ${setup.version}\n`));
}

function commandWords(program: Command): CommandWords[] {
  const words: CommandWords[] = [];
  const visit = (command: Command, path: readonly string[]) => {
    const options = [...program.options, ...(command === program ? [] : command.options)];
    words.push({
      path,
      summary: command.summary(),
      subcommands: [
        ...command.commands.map((each) => each.name()),
        ...command.registeredArguments.flatMap((each) => each.argChoices ?? []),
      ],
      options: options.map((option) => ({
        long: option.long ?? "",
        summary: option.description,
        hasValue: option.required,
        isFile: fileOptions.includes(option.long ?? ""),
      })),
    });
    for (const each of command.commands) visit(each, [...path, each.name()]);
  };
  visit(program, []);
  return words;
}

function programHelp(): string {
  const codes = Object.entries(EXIT_CODE_MEANINGS).map(
    ([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`,
  );
  return `
Examples:
  # in one terminal
  tidegatectl sub chat:lobby --history 10
  # in another
  echo hello | tidegatectl pub chat:lobby

Exit codes:
${codes.join("\n")}

TIDEGATE_DEBUG=1 adds stacks to errors.
`;
}

/** As commander does, but a default that says nothing is left out. */
function describeOption(option: Option): string {
  const { description, argChoices: choices, defaultValue, defaultValueDescription } = option;
  const extra: string[] = [];
  if (choices !== undefined) extra.push(choices.join(", "));
  const isTelling = !["", 0, false, undefined].includes(defaultValue);
  if (isTelling) extra.push(`default ${defaultValueDescription ?? defaultValue}`);
  return extra.length > 0 ? `${description} (${extra.join("; ")})` : description;
}
