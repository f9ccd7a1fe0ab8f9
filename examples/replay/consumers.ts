/**
 * Starts the three consumers and keeps their logs: the Node SDK and the Python SDK each in a
 * process, the browser SDK in a Chromium.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import { CHROMIUM_ARGS } from "../chromium.ts";
import type { ConsumerLog, ReceivedMessage } from "./judge.ts";
import type { Report } from "./report.ts";

const root = path.resolve(import.meta.dirname, "../..");
const python = path.join(root, ".cache/venv/bin/python");

/** A consumer, running. */
export interface Consumer {
  readonly log: ConsumerLog;
  /** Rejects when it fails. */
  readonly joined: Promise<void>;
  /** Resolves when it has the end mark of these rooms; rejects when it fails. */
  hasEnded(rooms: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** What a consumer is to do. */
export interface Work {
  readonly url: string;
  readonly rooms: readonly string[];
}

/** The Node SDK in a process of its own. */
export function startNode(work: Work): Consumer {
  const script = path.join(import.meta.dirname, "consumer-node.ts");
  const args = [...NODE_FLAGS, script, work.url, ...work.rooms];
  return startProcess("Node", process.execPath, args);
}

/** The Python SDK in a process of its own; a string says why there is none. */
export function startPython(work: Work): Consumer | string {
  if (!existsSync(python)) return "no Python environment in .cache/venv (needs python3 with venv)";
  const script = path.join(import.meta.dirname, "consumer.py");
  return startProcess("Python", python, [script, work.url, ...work.rooms]);
}

/** The browser SDK in a Chromium, on a page of its own origin; a string says why there is none. */
export async function startChromium(
  work: Work,
  pageOrigin: string,
  executablePath: string | null,
): Promise<Consumer | string> {
  if (executablePath === null) return "no Chromium on this machine";
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath, args: CHROMIUM_ARGS });
  const book = new LogBook("Chromium");
  const page = await browser.newPage();
  page.on("pageerror", (error) => book.take({ type: "failed", reason: String(error) }));
  page.on("crash", () => book.take({ type: "failed", reason: "the page crashed" }));
  await page.exposeFunction("replayReport", (lines: readonly Report[]) => {
    for (const line of lines) book.take(line);
  });
  await page.addInitScript(`globalThis.replayWork = ${JSON.stringify(work)}`);
  await page.goto(`${pageOrigin}/`);
  return book.consumer(() => browser.close());
}

/** Takes a consumer's lines and says when something that is waited for has come. */
class LogBook {
  readonly #received: ReceivedMessage[] = [];
  readonly #openedAtMs: number[] = [];
  readonly #gaps: string[] = [];
  readonly #ended = new Set<string>();
  readonly #name: string;
  #isJoined = false;
  #failure: string | null = null;
  #wakers: (() => void)[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  take(line: Report): void {
    if (line.type === "message" && line.n === 0) this.#ended.add(line.room);
    else if (line.type === "message") {
      const { room, p: publisher, n, at: sentAtMs, got: gotAtMs } = line;
      this.#received.push({ room, publisher, n, sentAtMs, gotAtMs });
      return;
    } else if (line.type === "open") this.#openedAtMs.push(line.at);
    else if (line.type === "gap") this.#gaps.push(line.room);
    else if (line.type === "joined") this.#isJoined = true;
    else this.#failure ??= line.reason;
    for (const wake of this.#wakers.splice(0)) wake();
  }

  consumer(close: () => Promise<void>): Consumer {
    const log = {
      name: this.#name,
      received: this.#received,
      openedAtMs: this.#openedAtMs,
      gaps: this.#gaps,
    };
    const joined = this.#until(() => this.#isJoined);
    joined.catch(() => {
      // The run awaits it later than it may fail; it is told there.
    });
    const hasEnded = (rooms: readonly string[]) =>
      this.#until(() => rooms.every((room) => this.#ended.has(room)));
    return { log, joined, hasEnded, close };
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure !== null) throw new Error(`${this.#name}: ${this.#failure}`);
      await new Promise<void>((resolve) => this.#wakers.push(resolve));
    }
  }
}

function startProcess(name: string, command: string, args: readonly string[]): Consumer {
  const book = new LogBook(name);
  const child = spawn(command, args, {
    cwd: root,
    env: { PYTHONPATH: path.join(root, "sdk/python"), PYTHONUNBUFFERED: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  createInterface({ input: child.stdout }).on("line", (line) =>
    book.take(JSON.parse(line) as Report),
  );
  child.on("error", (error) => book.take({ type: "failed", reason: error.message }));
  child.on("exit", (code) => book.take({ type: "failed", reason: `it ended with ${code}` }));
  return book.consumer(() => endProcess(child));
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}
