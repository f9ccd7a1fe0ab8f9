/**
 * Runs one step of the test run as a child process, in a process group of its own.
 *
 * The group makes the time limit real: a step that hangs is ended with everything it started. Quick
 * steps are quiet unless they fail; long ones show their output as it comes.
 */
import { type ChildProcess, spawn } from "node:child_process";

/** What to run. */
export interface StepCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether output is shown as it comes, or only when the step fails. */
  readonly isLoud: boolean;
  /** After this the whole process group is killed and the step has failed. Milliseconds. */
  readonly timeLimitMs: number;
}

/** How a step ended. */
export interface StepEnd {
  readonly isOk: boolean;
  /** One line when it is not ok: exit code, signal, time limit, or why it could not start. */
  readonly reason: string;
  readonly tookMs: number;
}

/** Into a file or a CI log without colour codes. */
const plain = { NO_COLOR: "1", FORCE_COLOR: "0" };

/** Characters of a quiet step's output that are kept; the end of it tells what went wrong. */
const OUTPUT_CHARS_MAX = 20_000;

/** Runs a step to its end. Never rejects. */
export function runStep(step: StepCommand): Promise<StepEnd> {
  const startedMs = performance.now();
  const child = spawn(step.command, step.args, {
    cwd: step.cwd,
    detached: true,
    env: { ...process.env, ...(process.stdout.isTTY ? {} : plain), ...step.env },
    stdio: ["ignore", step.isLoud ? "inherit" : "pipe", step.isLoud ? "inherit" : "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const stop = stopWith(child);
  return new Promise((resolve) => {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      killGroup(child);
    }, step.timeLimitMs);
    const end = (reason: string) => {
      clearTimeout(timer);
      stop();
      if (reason !== "" && output !== "") process.stdout.write(`${output.trimEnd()}\n`);
      resolve({ isOk: reason === "", reason, tookMs: performance.now() - startedMs });
    };
    child.once("error", (error) => end(`could not be started: ${error.message}`));
    child.once("close", (code, signal) => {
      if (isLate) end(`took longer than ${step.timeLimitMs / 1000} s`);
      else if (signal !== null) end(`ended by ${signal}`);
      else end(code === 0 ? "" : `exit code ${code}`);
    });
  });
}

/** Ends the step's processes when this process is told to end; the result undoes that. */
function stopWith(child: ChildProcess): () => void {
  const onSignal = (signal: NodeJS.Signals) => {
    killGroup(child);
    process.exit(signal === "SIGINT" ? 130 : 143);
  };
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal);
  return () => {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // ESRCH: the group has ended by itself, which is what was wanted.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
