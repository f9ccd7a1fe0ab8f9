/**
 * The processes that publish, as a move has to know them: a live copy of all leases (R10, R12).
 */
import type { NatsConnection } from "@nats-io/transport-node";
import type { KeyValue } from "../key-value.ts";
import { leaseKey, probeControl, watchLeases } from "./lease-records.ts";
import type { Holders } from "./seal-acks.ts";

/** A process that does not answer within this is alive and slow, ms: only nobody there is dead. */
const PROBE_MS = 250;

/** A holder, as its lease says. */
interface Holder {
  readonly routingRevision: number;
  readonly revision: number;
}

export class LeaseHolders implements Holders {
  readonly #connection: NatsConnection;
  readonly #keys: KeyValue;
  readonly #holders = new Map<string, Holder>();
  #changed = Promise.withResolvers<void>();

  private constructor(connection: NatsConnection, keys: KeyValue) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /**
   * Reads all leases, and calls `use` while it follows them.
   *
   * @throws {CodedError} `UNAVAILABLE`, or what `use` throws.
   */
  static async follow<T>(
    connection: NatsConnection,
    keys: KeyValue,
    use: (holders: LeaseHolders) => Promise<T>,
  ): Promise<T> {
    const holders = new LeaseHolders(connection, keys);
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = await watchLeases(keys, {
      onLease: (id, entry) => {
        if (entry === null) holders.#holders.delete(id);
        else {
          const routingRevision = Number(entry.lease.routingRevision);
          holders.#holders.set(id, { routingRevision, revision: entry.revision });
        }
        holders.#changed.resolve();
        holders.#changed = Promise.withResolvers();
      },
      onSynced: resolve,
    });
    try {
      await promise;
      return await use(holders);
    } finally {
      stop();
    }
  }

  acks(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#holders].map(([id, { routingRevision }]) => [id, routingRevision] as const),
    );
  }

  changed(): Promise<void> {
    return this.#changed.promise;
  }

  async isAlive(id: string): Promise<boolean> {
    return (await probeControl(this.#connection, id, PROBE_MS)) !== "absent";
  }

  async fence(id: string): Promise<void> {
    const revision = this.#holders.get(id)?.revision;
    if (revision !== undefined) await this.#keys.delete(leaseKey(id), revision);
  }
}
