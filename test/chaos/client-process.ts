/**
 * Starts producers and consumers, each in a process of its own with a real SDK, and keeps what they
 * tell as history.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";
import type { ClientLine, ConsumerWork, ProducerWork } from "./clients/lines.ts";
import {
  type Absence,
  type Consumer,
  type ConsumerEvent,
  type Publish,
  parsePlace,
} from "./history.ts";

const root = path.resolve(import.meta.dirname, "../..");

/** Where the Python clients' interpreter is. */
export const PYTHON = path.join(root, ".cache/venv/bin/python");

/** Which SDK a client uses. */
export type Language = "typescript" | "python";

/** What all client processes have. They end with their stdin, so none outlives the run. */
export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #waiting: (() => void)[] = [];
  #failure: Error | null = null;
  #isClosing = false;

  constructor(language: Language, script: string, work: object, take: (line: ClientLine) => void) {
    const file = path.join(import.meta.dirname, "clients", script);
    const isPython = language === "python";
    const args = isPython
      ? [`${file}.py`, JSON.stringify(work)]
      : [...NODE_FLAGS, `${file}.ts`, JSON.stringify(work)];
    this.#child = spawn(isPython ? PYTHON : process.execPath, args, {
      cwd: root,
      env: { PYTHONPATH: path.join(root, "sdk/python"), PYTHONUNBUFFERED: "1" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error("no stdout");
    createInterface({ input: stdout }).on("line", (text) => {
      const line = JSON.parse(text) as ClientLine;
      if (line.t === "broken") this.#failure ??= new Error(`${script}: ${line.why}`);
      take(line);
      this.#wake();
    });
    this.#child.once("error", (error) => this.#fail(error));
    this.#child.once("exit", (code) => this.#fail(new Error(`${script} ended with ${code}`)));
  }

  /** Waits until `isSo`; rejects when the process has failed. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure !== null) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Why it failed, if it did. */
  get failure(): Error | null {
    return this.#failure;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Stands still, as on an overloaded machine. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  /** Ends it with kill -9. */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #fail(error: Error): void {
    if (!this.#isClosing) this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** A producer, running. */
export class ProducerProcess {
  readonly name: string;
  readonly publishes: Publish[] = [];
  readonly absences: Absence[] = [];
  readonly process: ClientProcess;
  readonly #open = new Map<string, Publish>();
  #isReady = false;
  #isDone = false;

  constructor(language: Language, work: ProducerWork) {
    this.name = work.name;
    this.process = new ClientProcess(language, "producer", work, (line) => this.#take(line));
  }

  /** Resolves when it is connected. */
  ready(): Promise<void> {
    return this.process.until(() => this.#isReady);
  }

  start(): void {
    this.process.say("start");
  }

  /** Publishes no more; resolves when every publish has ended. */
  async stop(): Promise<void> {
    this.process.say("stop");
    await this.process.until(() => this.#isDone);
  }

  #take(line: ClientLine): void {
    if (line.t === "ready") this.#isReady = true;
    else if (line.t === "done") this.#isDone = true;
    else if (line.t === "call") {
      const { room, n, at: invokedUs } = line;
      const name = { room, producer: this.name, n };
      const made: Publish = {
        ...name,
        invokedUs,
        outcome: "open",
        endedUs: 0,
        place: null,
        code: "",
        detail: "",
      };
      this.publishes.push(made);
      this.#open.set(`${room} ${n}`, made);
    } else if (line.t === "ack" || line.t === "fail") this.#end(line);
    else if (line.t === "away" || line.t === "back") noteAbsence(this.absences, line);
  }

  #end(line: Extract<ClientLine, { t: "ack" | "fail" }>): void {
    const publish = this.#open.get(`${line.room} ${line.n}`);
    if (publish === undefined) return;
    this.#open.delete(`${line.room} ${line.n}`);
    publish.endedUs = line.at;
    if (line.t === "ack") {
      publish.outcome = "acked";
      publish.place = parsePlace(line.place);
    } else {
      publish.outcome = line.code === "OUTCOME_UNKNOWN" ? "unknown" : "failed";
      publish.code = line.code;
      publish.detail = line.detail;
    }
  }
}

/** A consumer, running. */
export class ConsumerProcess {
  readonly history: Consumer;
  readonly process: ClientProcess;
  readonly #events: ConsumerEvent[] = [];
  readonly #absences: Absence[] = [];
  /** Messages received, by room. */
  readonly #counts = new Map<string, number>();
  #isReady = false;

  constructor(language: Language, work: ConsumerWork) {
    const { name, rooms, stallMs } = work;
    const isSlow = stallMs > 0;
    this.history = { name, rooms, events: this.#events, absences: this.#absences, isSlow };
    this.process = new ClientProcess(language, "consumer", work, (line) => this.#take(line));
  }

  /** Resolves when it has joined every room. */
  ready(): Promise<void> {
    return this.process.until(() => this.#isReady);
  }

  /** Forgets what it met: the store it came from is gone. */
  forget(): void {
    this.#events.length = 0;
    this.#counts.clear();
  }

  /** Messages received in a room so far. */
  readonly countOf = (room: string): number => this.#counts.get(room) ?? 0;

  #take(line: ClientLine): void {
    switch (line.t) {
      case "ready":
        this.#isReady = true;
        return;
      case "join": {
        const { room, at: atUs } = line;
        this.#events.push({ type: "joined", room, atUs, after: parsePlace(line.after) });
        return;
      }
      case "got": {
        const { room, at: atUs, p: producer, n } = line;
        const place = parsePlace(line.place);
        this.#events.push({ type: "message", room, atUs, producer, n, place });
        this.#counts.set(room, this.countOf(room) + 1);
        return;
      }
      case "gap": {
        const { room, at: atUs, reason, missed: missedCount } = line;
        this.#events.push({ type: "gap", room, atUs, reason, missedCount });
        return;
      }
      case "away":
      case "back":
        noteAbsence(this.#absences, line);
        return;
      default:
    }
  }
}

/** A client was cut off, or is connected again. */
function noteAbsence(absences: Absence[], { t, at }: { t: "away" | "back"; at: number }): void {
  const last = absences.at(-1);
  const isAway = last?.toUs === Infinity;
  if (t === "away" && !isAway) absences.push({ fromUs: at, toUs: Infinity });
  if (t === "back" && isAway) last.toUs = at;
}
