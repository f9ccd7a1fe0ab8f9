/**
 * A small world for one scene: producers and consumers that do what they are told, when they are
 * told.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager, type StreamConfig } from "@nats-io/jetstream";
import { publishLimits } from "../../bus/void.ts";
import { ConsumerProcess, ProducerProcess } from "./client-process.ts";
import type { FaultSpan, History } from "./history.ts";
import { readStored } from "./stored.ts";
import { type ClientSite, ROOM_CLASS, World, type WorldSetup } from "./world.ts";

/** Durable room of a scene. */
export const ROOM = `${ROOM_CLASS}:scene`;
/** Ephemeral room of a scene; who wants to hear it says so. */
export const LIVE_ROOM = "live:scene";

/** What a scene needs to know of the run it is part of. */
export interface SceneSetup {
  /** Folder of main.ts: the product, or a broken copy. */
  readonly root: string;
  /** Path of nats-server. */
  readonly binary: string;
}

/** What a scene chooses. */
export interface StageWish extends Partial<WorldSetup> {
  /** De-duplication window, ms; default that of the product. */
  readonly windowMs?: number;
  /** Default 1. */
  readonly shardCount?: number;
}

/** A producer on stage. */
export interface Actor<Process> {
  readonly process: Process;
  readonly site: ClientSite;
}

export class Stage {
  readonly world: World;
  readonly #folder: string;
  readonly #windowMs: number;
  readonly #producers: ProducerProcess[] = [];
  readonly #consumers: ConsumerProcess[] = [];
  /** What the scene breaks; every OUTCOME_UNKNOWN of a scene has a cause. */
  readonly faults: FaultSpan[] = [];

  private constructor(world: World, folder: string, windowMs: number) {
    this.world = world;
    this.#folder = folder;
    this.#windowMs = windowMs;
  }

  /** One node, one gateway, unless the scene wishes otherwise. */
  static async start(setup: SceneSetup, wish: StageWish = {}): Promise<Stage> {
    const folder = mkdtempSync(path.join(tmpdir(), "tidegate-scene-"));
    const { windowMs = 30_000, shardCount = 1, ...rest } = wish;
    const env = { DEDUPE_WINDOW_MS: String(windowMs), SHARD_COUNT: String(shardCount) };
    const world = await World.start({
      folder,
      nodeCount: 1,
      gatewayCount: 1,
      env,
      ...setup,
      ...rest,
    });
    return new Stage(world, folder, windowMs);
  }

  /** A producer that publishes only what it is told to. */
  async producer(name: string, gateways: readonly number[] | null = null) {
    const site = await this.world.addClient(name);
    site.gateways = gateways;
    const url = this.world.urlOf(site);
    const work = { name, url, skew: null, rooms: [], bytes: 20, largeBytes: 20 };
    const producer = new ProducerProcess("typescript", work);
    site.process = producer.process;
    this.#producers.push(producer);
    await producer.ready();
    return { process: producer, site };
  }

  /** A consumer of the scene's durable room, or of the ephemeral one. */
  async consumer(name: string, gateways: readonly number[] | null = null, room = ROOM) {
    const site = await this.world.addClient(name);
    site.gateways = gateways;
    const url = this.world.urlOf(site);
    const work = { name, url, skew: null, rooms: [room], stallMs: 0, moveMs: 0 };
    const consumer = new ConsumerProcess("typescript", work);
    site.process = consumer.process;
    this.#consumers.push(consumer);
    await consumer.ready();
    return { process: consumer, site };
  }

  /** Publishes; resolves when every publish of this producer has ended. */
  async burst({ process }: Actor<ProducerProcess>, count: number, room = ROOM): Promise<void> {
    const before = process.publishes.length;
    process.process.say(`burst ${room} ${count}`);
    await process.process.until(
      () =>
        process.publishes.length === before + count &&
        process.publishes.every(({ outcome }) => outcome !== "open"),
    );
  }

  /** Publishes without waiting for an answer. */
  burstUnanswered({ process }: Actor<ProducerProcess>, count: number): void {
    process.process.say(`burst ${ROOM} ${count}`);
  }

  /** Resolves when the room has so many messages in the store, void ones too. */
  async untilStored(count: number): Promise<void> {
    while ((await this.storedCount()) < count) await sleep(10);
  }

  /** Messages of the room in the store, void ones too. */
  async storedCount(): Promise<number> {
    return (await this.#readStored()).length;
  }

  /** Changes the shard's stream, as nothing but a scene would. */
  async changeStream(change: Partial<StreamConfig>, shard = 0): Promise<void> {
    const manager = await jetstreamManager(this.world.admin);
    await manager.streams.update(`TG_${shard}`, change);
  }

  /** The stream as it is set up now. */
  async streamConfig(shard = 0): Promise<StreamConfig> {
    const manager = await jetstreamManager(this.world.admin);
    return (await manager.streams.info(`TG_${shard}`)).config;
  }

  /** Resolves when consumers have everything that is stored, or after `waitMs`; then judged. */
  async history(waitMs: number): Promise<History> {
    const endMs = performance.now() + waitMs;
    const publishes = this.#producers.flatMap((producer) => producer.publishes);
    while (publishes.some(({ outcome }) => outcome === "open") && performance.now() < endMs) {
      await sleep(20);
    }
    const shown = (await this.#readStored()).filter(({ isVoid }) => !isVoid).length;
    const isOwing = () =>
      this.#consumers.some(
        ({ history, countOf }) => history.rooms.includes(ROOM) && countOf(ROOM) < shown,
      );
    while (isOwing() && performance.now() < endMs) await sleep(20);
    await sleep(300); // a doubled message needs a moment to show
    const failures = [...this.#producers, ...this.#consumers].flatMap(({ process }) =>
      process.failure === null ? [] : [process.failure.message],
    );
    return {
      durableRooms: [ROOM],
      ephemeralRooms: [LIVE_ROOM],
      publishes,
      producerAbsences: Object.fromEntries(
        this.#producers.map(({ name, absences }) => [name, absences]),
      ),
      consumers: this.#consumers.map(({ history }) => history),
      stored: await this.#readStored(),
      faults: this.faults,
      deaths: [...this.world.deaths, ...failures],
    };
  }

  /** What was before is no part of the history: the store that held it is gone. */
  forget(): void {
    this.#producers.length = 0;
    for (const consumer of this.#consumers) consumer.forget();
  }

  /** Ends everything and removes its files. */
  async close(): Promise<void> {
    await this.world.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #readStored() {
    const { voidAfterUs } = publishLimits(this.#windowMs * 1000);
    return readStored(this.world.admin, [ROOM], voidAfterUs);
  }
}
