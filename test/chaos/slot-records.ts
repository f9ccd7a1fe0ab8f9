/**
 * The routing records of slots and the subject lists of shards, as a run sees them from outside: by
 * NATS's own client, so that nothing of the product takes part.
 */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { type KV, type KvEntry, Kvm } from "@nats-io/kv";
import type { NatsConnection } from "@nats-io/transport-node";
import { SlotRoute, SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";

/** A state that was seen, such as "sealing 1" or "open 2". */
export type SeenState = `${"open" | "sealing" | "removing"} ${number}`;

const names = {
  [SlotState.OPEN]: "open",
  [SlotState.SEALING]: "sealing",
  [SlotState.REMOVING]: "removing",
} as const;

interface Seen {
  readonly state: SeenState;
  readonly record: SlotRoute;
  readonly revision: number;
  readonly writtenMs: number;
}

/** Keys of group 0's records. */
const PREFIX = "slot.0-";

/** Follows every record of group 0. */
export class SlotRecords {
  readonly #seen = new Map<number, Seen[]>();
  readonly #kv: KV;
  readonly #tried = new Map<number, number>();
  readonly #stop: () => void;

  private constructor(kv: KV, stop: () => void) {
    this.#kv = kv;
    this.#stop = stop;
  }

  /** Starts to follow; records of before are seen too. */
  static async watch(connection: NatsConnection): Promise<SlotRecords> {
    const kv = await new Kvm(jetstream(connection)).open("control", { allow_direct: false });
    const watch = await kv.watch({ key: "slot.>" });
    // Every write passes here, also those that compare-and-set refuses.
    const tries = connection.subscribe("$KV.control.slot.>", {
      callback: (_, { subject }) => records.#countTry(subject.slice("$KV.control.".length)),
    });
    const records = new SlotRecords(kv, () => {
      watch.stop();
      tries.unsubscribe();
    });
    void (async () => {
      for await (const entry of watch) records.#take(entry);
    })();
    return records;
  }

  /**
   * States of a slot, in order. A state that lasted for milliseconds may be left out: the bucket
   * keeps the newest.
   */
  states(slot: number): SeenState[] {
    return (this.#seen.get(slot) ?? []).map(({ state }) => state);
  }

  /** Writes of a slot's record that were tried, by whomever, refused ones too. */
  tries(slot: number): number {
    return this.#tried.get(slot) ?? 0;
  }

  /** The newest record; null while there is none: open in epoch 1 since ever. */
  last(slot: number): SlotRoute | null {
    return this.#seen.get(slot)?.at(-1)?.record ?? null;
  }

  /** Deadlines of a state, each time it was seen, microseconds since 1970-01-01 UTC. */
  deadlinesUs(slot: number, state: SeenState): number[] {
    const seen = (this.#seen.get(slot) ?? []).filter((each) => each.state === state);
    return seen.map(({ record }) => Number(record.deadlineUs));
  }

  /** How long after the deadline of the state before each of these was written, ms. */
  afterDeadlineMs(slot: number, state: SeenState): number[] {
    const seen = this.#seen.get(slot) ?? [];
    return seen.flatMap((each, i) => {
      const before = seen[i - 1]?.record;
      if (each.state !== state || before === undefined) return [];
      return [each.writtenMs - Number(before.deadlineUs) / 1000];
    });
  }

  /** Reads a slot's record: a watch may be behind when nodes die. Without a leader: not yet. */
  async read(slot: number): Promise<void> {
    const entry = await this.#kv.get(`slot.0-${slot}`).catch(() => null);
    if (entry !== null) this.#take(entry);
  }

  close(): void {
    this.#stop();
  }

  #countTry(key: string): void {
    if (!key.startsWith(PREFIX)) return;
    const slot = Number(key.slice(PREFIX.length));
    this.#tried.set(slot, this.tries(slot) + 1);
  }

  #take({ key, value, created, revision }: KvEntry): void {
    if (!key.startsWith(PREFIX)) return;
    const slot = Number(key.slice(PREFIX.length));
    const seen = this.#seen.get(slot) ?? [];
    if (revision <= (seen.at(-1)?.revision ?? 0)) return;
    const record = SlotRoute.decode(value);
    const state: SeenState = `${names[record.state as keyof typeof names]} ${record.epoch}`;
    this.#seen.set(slot, [...seen, { state, record, revision, writtenMs: created.getTime() }]);
  }
}

/** Epochs of a slot that a shard takes messages of, by its leader's word. */
export async function listedEpochs(
  connection: NatsConnection,
  shard: number,
  slot: number,
): Promise<number[]> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const { config } = await manager.streams.info(`TG_${shard}`);
  return (config.subjects ?? []).flatMap((subject) => {
    const [, kind, where, epoch] = subject.split(".");
    return kind === "in" && where === `0-${slot}` ? [Number(epoch)] : [];
  });
}
