/**
 * One run of the command line: arguments in, exit code out, failures told on stderr.
 */

import type { ProgramSetup } from "./command-setup.ts";
import type { Context } from "./context.ts";
import { ExitCode } from "./exit-code.ts";
import { describeFailure } from "./failure.ts";
import { asFailure, buildProgram, isHelp } from "./program.ts";

/**
 * Runs a command to its end; never throws.
 *
 * @param args without node and file, e.g. ["sub", "chat:a"].
 * @param hasStacks adds the stack to a failure.
 * @returns OK as well when `context.signal` ended it: main.ts knows which signal it was.
 */
export async function runCommand(
  args: readonly string[],
  context: Context,
  setup: ProgramSetup,
  hasStacks: boolean,
): Promise<ExitCode> {
  try {
    await buildProgram(context, setup).parseAsync(args, { from: "user" });
    return ExitCode.OK;
  } catch (reason) {
    if (isHelp(reason) || context.signal.aborted) return ExitCode.OK;
    const failure = asFailure(reason);
    const { text, exitCode } = describeFailure(failure);
    context.stderr.write(text);
    if (hasStacks) context.stderr.write(`${failure instanceof Error ? failure.stack : failure}\n`);
    return exitCode;
  }
}
