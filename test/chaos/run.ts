/**
 * One run: a world, its clients, the faults of a plan, then the judgement.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { CHECK_LIMITS, checkHistory, type Verdict } from "./check.ts";
import { type Crew, startCrew } from "./crew.ts";
import type { Fault } from "./fault.ts";
import { FAULTS } from "./faults/all.ts";
import type { FaultSpan, History } from "./history.ts";
import { Nemesis } from "./nemesis.ts";
import { planFaults } from "./plan.ts";
import { settle } from "./settle.ts";
import { World } from "./world.ts";

/** Bytes of each shard: shards that are made in the run must fit too. */
const SHARD_BYTES = 256 * 1024 ** 2;
/** A long freeze is longer than the de-duplication window by this, ms. */
const LONGER_MS = 4000;

/** The product itself. */
export const PRODUCT_ROOT = path.resolve(import.meta.dirname, "../..");

/** What a run is made of. */
export interface RunWish {
  readonly seconds: number;
  readonly seed: number;
  /** Names; empty: all. */
  readonly faults: readonly string[];
  readonly isKept: boolean;
  /** $NATS_SERVER. */
  readonly natsServer: string;
  /** De-duplication window, ms. Long freezes last {@link LONGER_MS} longer. */
  readonly windowMs: number;
}

/** What a run found. */
export interface RunResult extends Verdict {
  readonly seed: number;
  readonly seconds: number;
  readonly faults: readonly FaultSpan[];
  /** Where stores, logs and history are, when kept. */
  readonly folder: string | null;
}

/** Told once a second, and of every fault. */
export interface RunProgress {
  say(text: string): void;
}

/** Runs it; everything it started has ended when it resolves or rejects. */
export async function runChaos(wish: RunWish, progress: RunProgress): Promise<RunResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "tidegate-chaos-"));
  let isFolderKept = true;
  try {
    const history = await makeHistory(wish, folder, progress);
    const verdict = checkHistory(history, CHECK_LIMITS);
    isFolderKept = wish.isKept || verdict.violations.length > 0;
    if (isFolderKept) writeFileSync(path.join(folder, "history.json"), JSON.stringify(history));
    const { seed, seconds } = wish;
    return {
      ...verdict,
      seed,
      seconds,
      faults: history.faults,
      folder: isFolderKept ? folder : null,
    };
  } finally {
    if (!isFolderKept) rmSync(folder, { recursive: true, force: true });
  }
}

async function makeHistory(wish: RunWish, folder: string, progress: RunProgress): Promise<History> {
  const { windowMs } = wish;
  const binary = findNatsServer(wish.natsServer, progress.say);
  progress.say("starting 3 nats-servers, 3 gateways and a control plane");
  const world = await World.start({
    folder,
    root: PRODUCT_ROOT,
    binary,
    nodeCount: 3,
    gatewayCount: 3,
    env: { DEDUPE_WINDOW_MS: String(windowMs), SHARD_BYTES_MAX: String(SHARD_BYTES) },
  });
  const closers: (() => Promise<void>)[] = [() => world.stop()];
  try {
    const crew = await startCrew(world);
    // A mover takes seconds to start while things break.
    if (chosenFaults(wish).some(({ domain }) => domain === "moves")) await world.mover("mover-a");
    const nemesis = new Nemesis(world, progress.say);
    const ticker = setInterval(() => progress.say(progressLine(crew, nemesis)), 1000);
    closers.push(async () => clearInterval(ticker));
    await breakThings(wish, crew, nemesis);
    progress.say("everything is healed; waiting for the last publishes");
    const { producers, consumers, rooms } = crew;
    const clients = { world, producers, consumers, ...rooms };
    return await settle({ ...clients, faults: nemesis.spans, windowMs }, progress.say);
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function breakThings(wish: RunWish, crew: Crew, nemesis: Nemesis): Promise<void> {
  const totalMs = wish.seconds * 1000;
  const plan = planFaults({
    seed: wish.seed,
    totalMs,
    faults: chosenFaults(wish),
    longMs: wish.windowMs + LONGER_MS,
  });
  for (const producer of crew.producers) producer.start();
  const endMs = performance.now() + totalMs;
  await nemesis.run(plan, endMs);
  await sleep(Math.max(0, endMs - performance.now()));
}

function chosenFaults({ faults }: RunWish): Fault[] {
  return FAULTS.filter(({ name }) => faults.length === 0 || faults.includes(name));
}

function progressLine(crew: Crew, nemesis: Nemesis): string {
  const publishes = crew.producers.flatMap((producer) => producer.publishes);
  const acked = publishes.filter(({ outcome }) => outcome === "acked").length;
  const open = publishes.filter(({ outcome }) => outcome === "open").length;
  const got = crew.consumers.map(({ history }) => history.events.length).join(" ");
  const broken = [...nemesis.active].join(", ");
  return `acknowledged ${acked}, open ${open}; received ${got}; broken: ${broken || "nothing"}`;
}
