/**
 * Where the rows of R10's table are tried: three NATS nodes, three gateways and a control plane,
 * publishers and members that are busy all the time, and a room for each row in a slot of its own.
 *
 * Rows run side by side, since most of each is waiting for a deadline: row i moves its room from
 * shard 2i to shard 2i + 1, so that no row waits for another's lock.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { expect } from "vitest";
import { roomAddress } from "../../../bus/subjects.ts";
import { DEDUPE_WINDOW_US } from "../../../bus/void.ts";
import { findNatsServer } from "../../../deploy/nats/find-server.ts";
import type { NatsNode } from "../../../deploy/nats/node.ts";
import { Lease } from "../../../proto/gen/tidegate/bus/v1/lease.ts";
import { CHECK_LIMITS, checkHistory, type Verdict } from "../check.ts";
import { ConsumerProcess, ProducerProcess } from "../client-process.ts";
import { nowUs } from "../clients/lines.ts";
import type { FaultSpan, Publish } from "../history.ts";
import type { MessageTest, MoveEnd, Mover } from "../mover.ts";
import { PRODUCT_ROOT } from "../run.ts";
import { settle } from "../settle.ts";
import { listedEpochs, type SeenState, SlotRecords } from "../slot-records.ts";
import { ROOM_CLASS, World } from "../world.ts";

/** Who publishes in the rows' rooms. */
const ROW_PRODUCERS = ["p-one", "p-other"];
/** Publishes a second of each producer in each room. */
const PER_SECOND = 8;
/** What is expected comes within this, ms; every step of the table takes less. */
const WAIT_MS_MAX = 25_000;
const LOOK_MS = 50;

/** A room to move, with its slot, its shard, and where it is to go. */
export interface Row {
  readonly room: string;
  readonly slot: number;
  readonly from: number;
  readonly to: number;
}

/** A row as it is now. */
export interface OwnedRow extends Row {
  readonly epoch: number;
}

/** A move that is held, how it began, and how it ends. */
export interface HeldMove {
  readonly row: OwnedRow;
  readonly end: Promise<MoveEnd>;
}

export class MoveStage {
  readonly world: World;
  readonly records: SlotRecords;
  readonly rows: readonly Row[];
  /** What is broken on purpose, and may end a publish as OUTCOME_UNKNOWN. */
  readonly faults: FaultSpan[] = [];
  readonly #folder: string;
  readonly #producers: ProducerProcess[] = [];
  readonly #consumers: ConsumerProcess[] = [];
  readonly #movers: Mover[] = [];
  readonly #moreRooms: string[] = [];
  #isKept = false;

  private constructor(world: World, folder: string, records: SlotRecords, rows: Row[]) {
    this.world = world;
    this.#folder = folder;
    this.records = records;
    this.rows = rows;
  }

  /** Starts everything, movers too; publishers and members are busy when it resolves. */
  static async start(rowCount: number, moverNames: readonly string[] = []): Promise<MoveStage> {
    const folder = mkdtempSync(path.join(tmpdir(), "tidegate-moves-"));
    const world = await World.start({
      folder,
      root: PRODUCT_ROOT,
      binary: findNatsServer(process.env.NATS_SERVER ?? "", console.error),
      nodeCount: 3,
      gatewayCount: 3,
      // Small ones: the disk would not hold so many of the usual size.
      env: { SHARD_COUNT: String(rowCount * 2), SHARD_BYTES_MAX: String(64 * 1024 ** 2) },
    });
    const rows = Array.from({ length: rowCount }, (_, i) => findRow(i, rowCount * 2));
    const stage = new MoveStage(world, folder, await SlotRecords.watch(world.admin), rows);
    try {
      // One after the other, and before there is load: a start takes a core for a second.
      for (const name of moverNames) await stage.startMover(name);
      await stage.#startClients();
    } catch (error) {
      await stage.close();
      throw error;
    }
    return stage;
  }

  /** The row of a number. */
  row(i: number): Row {
    const row = this.rows[i];
    if (row === undefined) throw new RangeError(`there is no row ${i}`);
    return row;
  }

  /** Another slot of the row's shard; nobody publishes there. */
  neighbour({ from, slot }: Row): Row {
    return findRow(from / 2, this.rows.length * 2, slot);
  }

  /** A mover that was started with the stage. */
  mover(name: string): Mover {
    const mover = this.#movers.find((each) => each.name === name);
    if (mover === undefined) throw new RangeError(`there is no mover ${name}`);
    return mover;
  }

  /** The row as its record says now: `from` owns it, `to` is the other of its shards. */
  now(row: Row): OwnedRow {
    const { epoch = 1, shard = row.from } = this.records.last(row.slot) ?? {};
    const to = shard === row.from ? row.to : row.from;
    return { ...row, from: shard, to, epoch };
  }

  /**
   * Resolves when a move that began as `before` says is over: done or undone, and publishes are
   * acknowledged. A leftover in the other shard's list goes later, since nobody misses it.
   */
  async untilWhole(before: OwnedRow): Promise<OwnedRow> {
    const { slot, epoch } = before;
    await until(`slot ${slot} open`, async () => {
      await this.records.read(slot);
      return this.#isOpen(slot);
    });
    const after = this.now(before);
    expect([epoch, epoch + 1]).toContain(after.epoch);
    expect(after.from).toBe(after.epoch === epoch ? before.from : before.to);
    await this.untilAcked(after);
    return after;
  }

  /** Moves a row up to a message, which is held; tried again while another holds its shards. */
  async moveUpTo(
    mover: Mover,
    row: Row,
    before: (row: OwnedRow) => MessageTest,
  ): Promise<HeldMove> {
    for (;;) {
      const owned = this.now(row);
      const isHeld = mover.stopBefore(before(owned)).then(() => true);
      const end = mover.move(owned.slot, owned.to);
      if (await Promise.race([isHeld, end.then(() => false)])) return { row: owned, end };
      await sleep(LOOK_MS);
    }
  }

  /** Name of the node that leads a stream. */
  async leaderOf(stream: string): Promise<string> {
    const manager = await jetstreamManager(this.world.admin, { checkAPI: false });
    return (await manager.streams.info(stream)).cluster?.leader ?? "";
  }

  /** Makes a node lead these streams. */
  async leadBy(node: string, streams: readonly string[]): Promise<void> {
    const { admin } = this.world;
    const wish = JSON.stringify({ placement: { preferred: node } });
    for (const stream of streams) {
      await until(`${node} leads ${stream}`, async () => {
        const leader = await this.leaderOf(stream).catch(() => "");
        if (leader === node) return true;
        const subject = `$JS.API.STREAM.LEADER.STEPDOWN.${stream}`;
        if (leader !== "") await admin.request(subject, wish, { timeout: 5000 });
        return false;
      });
    }
  }

  /** The node of a name. */
  node(name: string): NatsNode {
    const node = this.world.nats.nodes.find(({ options }) => options.name === name);
    if (node === undefined) throw new RangeError(`there is no node ${name}`);
    return node;
  }

  /** SIGSTOP of a node for a while. */
  async freezeNode(name: string, ms: number): Promise<void> {
    await this.node(name).signal("SIGSTOP");
    await sleep(ms);
    await this.node(name).signal("SIGCONT");
  }

  /** Incarnation of a process's lease; null when it has none. */
  async incarnation(id: string): Promise<string | null> {
    const leases = await new Kvm(jetstream(this.world.admin)).open("leases");
    const entry = await leases.get(`gateway.${id}`);
    return entry?.operation === "PUT" ? Lease.decode(entry.value).incarnation : null;
  }

  /** Breaks something meanwhile: publishes may end unknown by it. */
  async breaking<T>(name: string, act: () => Promise<T>): Promise<T> {
    const fromUs = nowUs();
    try {
      return await act();
    } finally {
      const span = { name, target: "", mayCauseUnknown: true, isGatewayDeath: true };
      this.faults.push({ ...span, fromUs, toUs: nowUs() });
    }
  }

  /** One more member of every row's room, or of these; resolves when it has joined. */
  async addConsumer(
    name: string,
    rooms: readonly string[] = this.rows.map(({ room }) => room),
  ): Promise<void> {
    const site = await this.world.addClient(name);
    const work = { name, url: this.world.urlOf(site), skew: null, rooms, stallMs: 0, moveMs: 0 };
    const consumer = new ConsumerProcess("typescript", work);
    site.process = consumer.process;
    this.#consumers.push(consumer);
    await consumer.ready();
  }

  /** Publishers and members of further rooms; resolves when each has had an ack. */
  async addTraffic(name: string, rooms: readonly string[]): Promise<void> {
    this.#moreRooms.push(...rooms);
    await this.addConsumer(`c-${name}`, rooms);
    const producer = await this.#addProducer(`p-${name}`, rooms);
    producer.start();
    await until(`acks in ${rooms.join(", ")}`, () =>
      rooms.every((room) => this.acked(room).some(({ producer: from }) => from === producer.name)),
    );
  }

  /** How many slots a shard takes messages of, by its leader's word. */
  async slotCount(shard: number): Promise<number> {
    const manager = await jetstreamManager(this.world.admin, { checkAPI: false });
    const { config } = await manager.streams.info(`TG_${shard}`);
    return (config.subjects ?? []).filter((subject) => subject.startsWith("tg.in.")).length;
  }

  /** Bytes that a shard may hold, by its leader's word. */
  async bytesMax(shard: number): Promise<number> {
    const manager = await jetstreamManager(this.world.admin, { checkAPI: false });
    return (await manager.streams.info(`TG_${shard}`)).config.max_bytes;
  }

  /** Name of the control plane that leads. */
  async leader(): Promise<string> {
    const leaders = await new Kvm(jetstream(this.world.admin)).open("leaders");
    const entry = await leaders.get("control.leader");
    return entry?.operation === "PUT" ? (entry.string().split(" ")[0] ?? "") : "";
  }

  /** Publishes that were acknowledged, by both producers in all rooms. */
  get ackedCount(): number {
    const publishes = this.#producers.flatMap((producer) => producer.publishes);
    return publishes.filter(({ outcome }) => outcome === "acked").length;
  }

  /** Publishes that were acknowledged in a room, by whomever. */
  acked(room: string): Publish[] {
    const publishes = this.#producers.flatMap((producer) => producer.publishes);
    return publishes.filter((each) => each.room === room && each.outcome === "acked");
  }

  /** Resolves when the slot's record is in this state. */
  async untilState({ slot }: Row, state: SeenState): Promise<void> {
    await until(`slot ${slot} ${state}`, async () => {
      await this.records.read(slot);
      return this.records.states(slot).at(-1) === state;
    });
  }

  #isOpen(slot: number): boolean {
    return this.records.states(slot).at(-1)?.startsWith("open") ?? true;
  }

  /** Resolves when the mover has moved the slot: not before the locks of one before are free. */
  async untilMoved(mover: Mover, slot: number, shard: number): Promise<void> {
    await until(`slot ${slot} in shard ${shard}`, async () => {
      return (await mover.move(slot, shard)) === "done";
    });
  }

  /** Epochs of the row's slot that each of its two shards takes messages of. */
  async lists({ slot, from, to }: Row): Promise<{ from: number[]; to: number[] }> {
    const { admin } = this.world;
    const [inFrom, inTo] = await Promise.all([
      listedEpochs(admin, from, slot),
      listedEpochs(admin, to, slot),
    ]);
    return { from: inFrom, to: inTo };
  }

  /** Resolves when both shards list exactly these epochs of the row's slot. */
  async untilLists(row: Row, wanted: { from: number[]; to: number[] }): Promise<void> {
    const isSo = async () => {
      // Without a leader nobody answers: not yet.
      const lists = await this.lists(row).catch(() => null);
      return JSON.stringify(lists) === JSON.stringify(wanted);
    };
    await until(`lists ${JSON.stringify(wanted)} of slot ${row.slot}`, isSo);
  }

  /** Resolves when every producer has had an ack in the row's room for a publish from now on. */
  async untilAcked({ room }: Row): Promise<void> {
    const producers = this.#producers.slice(0, ROW_PRODUCERS.length);
    const counts = producers.map(({ publishes }) => publishes.length);
    await until(`acks in ${room}`, () =>
      producers.every(({ publishes }, i) =>
        publishes.slice(counts[i]).some((each) => each.room === room && each.outcome === "acked"),
      ),
    );
  }

  /** Epochs in which acknowledged publishes of the row's room are. */
  ackedEpochs({ room }: Row): number[] {
    const epochs = this.#producers
      .flatMap(({ publishes }) => publishes)
      .flatMap((each) => (each.room === room && each.place !== null ? [each.place.epoch] : []));
    return [...new Set(epochs)].sort((a, b) => a - b);
  }

  /** Ends the publishers, waits for what is owed, and judges. */
  async judge(): Promise<Verdict> {
    const history = await settle(
      {
        world: this.world,
        producers: this.#producers,
        consumers: this.#consumers,
        durable: [...this.rows.map(({ room }) => room), ...this.#moreRooms],
        ephemeral: [],
        faults: this.faults,
        windowMs: DEDUPE_WINDOW_US / 1000,
      },
      () => {},
    );
    const verdict = checkHistory(history, CHECK_LIMITS);
    this.#isKept = verdict.violations.length > 0;
    if (this.#isKept) console.info(`logs are kept in ${this.#folder}`);
    return verdict;
  }

  async close(): Promise<void> {
    this.records.close();
    await this.world.stop();
    if (!this.#isKept) rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Starts one more. */
  async startMover(name: string): Promise<void> {
    this.#movers.push(await this.world.mover(name));
  }

  async #startClients(): Promise<void> {
    const rooms = this.rows.map(({ room }) => room);
    for (const name of ["c-one", "c-other"]) await this.addConsumer(name);
    for (const name of ROW_PRODUCERS) await this.#addProducer(name, rooms);
    for (const producer of this.#producers) producer.start();
    await Promise.all(this.rows.map((row) => this.untilAcked(row)));
  }

  async #addProducer(name: string, rooms: readonly string[]): Promise<ProducerProcess> {
    const published = rooms.map((room) => ({ name: room, isDurable: true, perSecond: PER_SECOND }));
    const site = await this.world.addClient(name);
    const url = this.world.urlOf(site);
    const work = { name, url, skew: null, rooms: published, bytes: 40, largeBytes: 400 };
    const producer = new ProducerProcess("typescript", work);
    site.process = producer.process;
    this.#producers.push(producer);
    await producer.ready();
    return producer;
  }
}

/** Waits until something holds; rejects, naming it, when it does not within `waitMs`. */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  waitMs = WAIT_MS_MAX,
): Promise<void> {
  const endMs = performance.now() + waitMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${waitMs} ms for ${what}`);
    await sleep(LOOK_MS);
  }
}

/** A room whose slot, which never moved, is in shard 2i; not in the slot `exceptSlot`. */
function findRow(i: number, shardCount: number, exceptSlot = -1): Row {
  for (let k = 0; ; k += 1) {
    const room = `${ROOM_CLASS}:row${i}-${k}`;
    const { slot } = roomAddress("default", room);
    const [from, to] = [2 * i, 2 * i + 1];
    if (slot % shardCount === from && slot !== exceptSlot) return { room, slot, from, to };
  }
}
