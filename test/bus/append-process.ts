/**
 * Starts append-child.ts and reads its reports.
 */
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import type { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import { type Position, parsePosition } from "../../bus/position.ts";
import { type RoomAddress, roomAddress } from "../../bus/subjects.ts";
import { NODE_FLAGS } from "../../deploy/node-flags.ts";

/** What the child is asked to do. */
export interface AppendTask {
  readonly dataDir: string;
  /** 16 characters. */
  readonly producer: string;
  readonly roomCount: number;
  readonly inFlight: number;
  /** 0: until killed. */
  readonly total: number;
  readonly isSynchronous?: boolean;
  /** Above 1: the rooms' slots move among so many shards without end. Default 1. */
  readonly shardCount?: number;
}

/** One acknowledged append. */
export interface Acked {
  readonly room: RoomAddress;
  readonly seq: number;
  readonly position: Position;
}

/**
 * Descriptor the child reports on: not one of the standard ones, so that a trace shows only acks.
 */
const reportDescriptor = 3;
const child = path.join(import.meta.dirname, "append-child.ts");

/** The command line that runs the task on the Node of this test. */
export function commandOf(task: AppendTask): string[] {
  const { dataDir, producer, roomCount, inFlight, total } = task;
  const { isSynchronous = true, shardCount = 1 } = task;
  const numbers = [roomCount, inFlight, total, reportDescriptor, isSynchronous ? 1 : 0, shardCount];
  return [process.execPath, ...NODE_FLAGS, child, dataDir, producer, ...numbers.map(String)];
}

export function killRoom(index: number): RoomAddress {
  return roomAddress("acme", `chat:kill-${index}`);
}

export class AppendProcess {
  readonly #child: ChildProcess;
  readonly lines: string[] = [];
  readonly #ended: Promise<void>;
  #watch: (() => void) | null = null;

  /** @param command from {@link commandOf}, perhaps with another program before it. */
  constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#child = spawn(program, args, { stdio: ["pipe", "ignore", "inherit", "pipe"] });
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    onTestFinished(() => this.kill());
    let rest = "";
    const reports = this.#child.stdio[reportDescriptor] as Readable;
    reports.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.lines.push(...lines);
      this.#watch?.();
    });
  }

  /** Lets it open the bus and append. */
  go(): void {
    this.#child.stdin?.end("\n");
  }

  /** Waits until that many lines were reported, or the process ended. */
  async lineCount(count: number): Promise<void> {
    await this.#until(() => this.lines.length >= count);
  }

  /** Waits until a move is begun from now on, or the process ended. */
  async nextMove(): Promise<void> {
    const before = this.lines.length;
    await this.#until(() => this.lines.slice(before).some((line) => line.startsWith("moving ")));
  }

  async #until(condition: () => boolean): Promise<void> {
    const reached = new Promise<void>((resolve) => {
      this.#watch = () => {
        if (condition()) resolve();
      };
      this.#watch();
    });
    await Promise.race([reached, this.#ended]);
  }

  /** kill -9, and waits until it is gone and all it reported is read. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  /** Waits for its own end. */
  async ended(): Promise<void> {
    await this.#ended;
  }

  get acks(): Acked[] {
    return this.lines
      .map((line) => line.split(" "))
      .filter(([kind]) => kind === "ack")
      .map(([, room, seq, position]) => ({
        room: killRoom(Number(room)),
        seq: Number(seq),
        position: parsePosition(position ?? ""),
      }));
  }

  /** Epoch that each room was said to have last, by its number. */
  get epochs(): Map<number, number> {
    const moves = this.lines.map((line) => line.split(" ")).filter(([kind]) => kind === "moved");
    return new Map(moves.map(([, room, epoch]) => [Number(room), Number(epoch)]));
  }

  get errors(): { seq: number; code: string }[] {
    return this.lines
      .map((line) => line.split(" "))
      .filter(([kind]) => kind === "error")
      .map(([, seq, code = ""]) => ({ seq: Number(seq), code }));
  }
}
