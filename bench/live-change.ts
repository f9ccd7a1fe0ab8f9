/**
 * A change of the configuration that concerns every open connection: how long it takes until the
 * last client has heard of it, and the longest pause of the gateway's loop meanwhile.
 *
 * The gateway is this process, its clients another one. Nothing else runs in the gateway's loop but
 * the embedded bus's client, so a pause is one of ours or of the collector.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openEmbeddedBus } from "../bus/embedded/embedded-bus.ts";
import { authenticateNone } from "../gateway/auth/authenticate.ts";
import { startGateway } from "../gateway/gateway.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";
import { monotonicUs } from "./load/clock.ts";
import type { FlagCommand, FlagReply } from "./load/flag-protocol.ts";
import { LoadProcess } from "./load/load-process.ts";
import { type Spread, spreadOf } from "./report.ts";

/** Between changes, ms: each is alone. */
const PAUSE_MS = 200;

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** One change. */
export interface Change {
  /** From the write's begin until the last client had it, ms. */
  readonly lastMs: number;
  /** The longest time in which the gateway's loop did not turn, ms, waits for a core included. */
  readonly pauseMs: number;
  /** The most CPU time that one turn of it took, all threads of the process together, ms. */
  readonly turnMs: number;
}

/** Records to write, and what clients then hear: a flag's value, a gate's message. */
export interface Planned {
  readonly key: string;
  readonly value: Uint8Array;
  readonly heard: string;
}

/**
 * Opens so many clients and makes the changes, one after the other.
 *
 * @param isTiny nothing is waited for between changes.
 */
export async function measureChanges(
  count: number,
  isTiny: boolean,
  planned: readonly Planned[],
): Promise<Change[]> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-bench-"));
  const bus = await openEmbeddedBus({ dataDir });
  const gateway = await startGateway(
    { bus, log: silent, authenticate: authenticateNone(), version: "0.0.0", gatewayId: "bench" },
    { port: 0 },
  );
  const load = new LoadProcess<FlagCommand, FlagReply>("flag-generator.ts", null);
  try {
    const url = `ws://127.0.0.1:${gateway.port}/ws`;
    await load.ask({ kind: "open", url, count }, "opened");
    const keys = await bus.keyValue(CONTROL_BUCKET);
    const changes: Change[] = [];
    for (const { key, value, heard } of planned) {
      if (!isTiny) await sleep(PAUSE_MS);
      await load.ask({ kind: "await", count, value: heard }, "awaiting");
      const last = load.ask({ kind: "await", count, value: heard }, "heard");
      const turns = new Turns();
      const startedUs = monotonicUs();
      const present = await keys.get(key);
      await keys.commit([{ key, value, revision: present?.revision ?? 0 }]);
      const { atUs } = await last;
      changes.push({ lastMs: (atUs - startedUs) / 1000, ...turns.stop() });
    }
    return changes;
  } finally {
    await load.stop();
    await gateway.close();
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

/** The worst of each round's changes. */
export function worstOf(rounds: readonly (readonly Change[])[]) {
  const worst = (figure: (change: Change) => number): Spread =>
    spreadOf(rounds.map((changes) => Math.max(...changes.map(figure))));
  return {
    last: worst(({ lastMs }) => lastMs),
    pause: worst(({ pauseMs }) => pauseMs),
    turn: worst(({ turnMs }) => turnMs),
  };
}

/** Watches the turns of this process's loop. */
class Turns {
  #isOver = false;
  #pauseMs = 0;
  #turnUs = 0;

  constructor() {
    let atMs = performance.now();
    let cpu = process.cpuUsage();
    const turn = () => {
      if (this.#isOver) return;
      const { user, system } = process.cpuUsage(cpu);
      const nowMs = performance.now();
      this.#pauseMs = Math.max(this.#pauseMs, nowMs - atMs);
      this.#turnUs = Math.max(this.#turnUs, user + system);
      atMs = nowMs;
      cpu = process.cpuUsage();
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): { pauseMs: number; turnMs: number } {
    this.#isOver = true;
    return { pauseMs: this.#pauseMs, turnMs: this.#turnUs / 1000 };
  }
}
