/**
 * A mover under trial: a real process whose way to NATS a test stops at an exact message.
 *
 * Every act of a move is a message to NATS (an update of a stream, a marker, a record), so "before
 * the removal" is: that message is held in the proxy. The product has no switch for it.
 */
import { NatsProxy } from "../bus/nats-proxy.ts";
import { ClientProcess } from "./client-process.ts";
import type { ClientLine, MoverWork } from "./clients/lines.ts";
import type { World } from "./world.ts";

/** Which message to stop at; asked once for each that the mover sends. */
export type MessageTest = (subject: string) => boolean;

/** The n-th write of a slot's record: 1 sealing, 2 removing, 3 the next epoch. */
export function recordWrite(slot: number, n: number): MessageTest {
  let count = 0;
  return (subject) => {
    if (subject !== `$KV.control.slot.0-${slot}`) return false;
    count += 1;
    return count === n;
  };
}

/** The marker behind an epoch's last message. */
export function marker(shard: number, slot: number, epoch: number): MessageTest {
  return (subject) => subject === `tg.seal.${shard}.0-${slot}.${epoch}`;
}

/** The first lock that is given back: two were taken before. */
export function lockRelease(): MessageTest {
  let count = 0;
  return (subject) => {
    if (!subject.startsWith("$KV.control.mover.")) return false;
    count += 1;
    return count > 2;
  };
}

/** An update of a shard's subject list. */
export function listUpdate(shard: number): MessageTest {
  return (subject) => subject === `$JS.API.STREAM.UPDATE.TG_${shard}`;
}

/** How a move ended; "killed" when its mover did. */
export type MoveEnd = "done" | "killed" | { readonly error: string };

export class Mover {
  readonly name: string;
  readonly #process: ClientProcess;
  readonly #ways: readonly NatsProxy[];
  readonly #ends = new Map<number, (end: MoveEnd) => void>();
  /** Messages to stop at, and what happens there. */
  readonly #stops = new Map<MessageTest, { isHeld: boolean; resolve: () => void }>();
  #isReady = false;
  #count = 0;

  private constructor(name: string, work: MoverWork, ways: readonly NatsProxy[]) {
    this.name = name;
    this.#ways = ways;
    for (const way of ways) way.holdPublished = (subject) => this.#judge(subject);
    this.#process = new ClientProcess("typescript", "mover", work, (line) => this.#take(line));
  }

  /** Starts one with a way to every node of the world; ready when it is on the bus. */
  static async start(world: World, name: string): Promise<Mover> {
    const ways = await Promise.all(world.nats.urls.map((url) => NatsProxy.start(url)));
    const bus = { servers: ways.map(({ url }) => url), name, ...world.busOptions };
    const mover = new Mover(name, { root: world.root, bus }, ways);
    await mover.#process.until(() => mover.#isReady);
    return mover;
  }

  /** Moves a slot; resolves when the move has ended. */
  move(slot: number, shard: number): Promise<MoveEnd> {
    return this.#order("move", `${slot} ${shard}`);
  }

  /** Makes a shard; resolves when it is there, or was refused. */
  createShard(): Promise<MoveEnd> {
    return this.#order("create", "");
  }

  /** The message is held, with every other one that meets the test; resolves when one is. */
  stopBefore(isIt: MessageTest): Promise<void> {
    return this.#stop(isIt, true);
  }

  /** The message passes, and from then on the mover hears no more; resolves when it has passed. */
  stopAfter(isIt: MessageTest): Promise<void> {
    return this.#stop(isIt, false);
  }

  /** What is held goes on its way, and nothing more is stopped. */
  release(): void {
    this.#stops.clear();
    for (const way of this.#ways) way.release();
  }

  /** What is held reaches a server now, though the mover may be dead. */
  async deliverLate(target: string): Promise<void> {
    this.#stops.clear();
    for (const way of this.#ways) await way.deliverLate(target);
  }

  /** SIGSTOP. */
  freeze(): void {
    this.#process.freeze();
  }

  /** SIGCONT. */
  thaw(): void {
    this.#process.thaw();
  }

  /** kill -9. What is held stays inside. */
  async kill(): Promise<void> {
    await this.#process.close();
    for (const way of this.#ways) way.kill();
    for (const end of this.#ends.values()) end("killed");
    this.#ends.clear();
  }

  /** Ends it for good. */
  async close(): Promise<void> {
    await this.kill();
    await Promise.all(this.#ways.map((way) => way.stop()));
  }

  #order(verb: string, what: string): Promise<MoveEnd> {
    this.#count += 1;
    const { promise, resolve } = Promise.withResolvers<MoveEnd>();
    this.#ends.set(this.#count, resolve);
    this.#process.say(`${verb} ${this.#count} ${what}`);
    return promise;
  }

  #stop(isIt: MessageTest, isHeld: boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stops.set(isIt, { isHeld, resolve });
    return promise;
  }

  #judge(subject: string): boolean {
    let isHeld = false;
    for (const [isIt, stop] of this.#stops) {
      if (!isIt(subject)) continue;
      if (stop.isHeld) isHeld = true;
      else for (const way of this.#ways) way.loseReceived = () => true;
      stop.resolve();
    }
    return isHeld;
  }

  #take(line: ClientLine): void {
    if (line.t === "ready") this.#isReady = true;
    if (line.t !== "moved") return;
    const { id, error } = line;
    this.#ends.get(id)?.(error === "" ? "done" : { error });
    this.#ends.delete(id);
  }
}
