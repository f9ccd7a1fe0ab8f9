/** The quick-start programs: two of them in one room read each other, and end with their input. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { startServer } from "../../start-server.ts";
import { from } from "../../tidy/source.ts";

const python = from(".cache/venv/bin/python");
const programs: Readonly<Record<string, readonly string[]>> = {
  "chat.ts": [process.execPath, "--disable-warning=ExperimentalWarning"],
  "chat.py": [python],
};

beforeEach((context) => {
  if (!existsSync(python)) context.skip("no Python environment in .cache/venv");
});

interface Chat {
  /** The next line that it prints. */
  read(): Promise<string>;
  write(line: string): void;
  /** Ends its input; resolves with its exit code. */
  end(): Promise<number | null>;
}

function startChat(file: string, room: string, url: string): Chat {
  const [command = "", ...args] = programs[file] ?? [];
  const child: ChildProcess = spawn(
    command,
    [...args, from(`examples/quick-start/${file}`), room, url],
    {
      env: { ...process.env, PYTHONPATH: from("sdk/python") },
      stdio: ["pipe", "pipe", "inherit"],
    },
  );
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error("input and output are piped");
  const exited = once(child, "exit");
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await exited;
  });
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  return {
    read: async () => String((await lines.next()).value),
    write: (line) => void stdin.write(`${line}\n`),
    async end() {
      stdin.end();
      await exited;
      return child.exitCode;
    },
  };
}

test.each([
  ["chat.ts", "chat.py"],
  ["chat.py", "chat.ts"],
])("%s: tells %s what is typed, prints what it says, and ends with its input", async (one, two) => {
  const server = await startServer();
  onTestFinished(() => server.close());
  const first = startChat(one, "chat:quick", server.url);
  first.write("höllo 🙂");
  const second = startChat(two, "chat:quick", server.url);
  expect(await second.read()).toBe("höllo 🙂"); // live or from the history
  second.write("hello back");
  expect(await first.read()).toBe("hello back");
  second.write("the last line is sent as well");
  expect(await second.end()).toBe(0);
  expect(await first.read()).toBe("the last line is sent as well");
  expect(await first.end()).toBe(0);
});
