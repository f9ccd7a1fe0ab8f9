/**
 * The processes that publish, as a move has to know them: a live copy of all leases (R10, R12).
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { ProcessKind } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import type { KeyValue } from "../key-value.ts";
import { decodeLease, leaseKey, probeControl, watchLeases } from "./lease-records.ts";
import type { Holders } from "./seal-acks.ts";

/** A process that does not answer within this is alive and slow, ms: only nobody there is dead. */
const PROBE_MS = 250;
/** A lease that is renewed just then is tried to be taken away so often. */
const FENCE_COUNT_MAX = 3;

/** What is worked with. */
export interface HolderParts {
  readonly connection: NatsConnection;
  /** The bucket of leases. */
  readonly leases: KeyValue;
  /** As Holders says. */
  tellToDrain(id: string): void;
}

/** A holder, as its lease says. */
interface Holder {
  readonly routingRevision: number;
  readonly kind: ProcessKind;
}

export class LeaseHolders implements Holders {
  readonly #parts: HolderParts;
  readonly #holders = new Map<string, Holder>();
  #changed = Promise.withResolvers<void>();

  private constructor(parts: HolderParts) {
    this.#parts = parts;
  }

  /**
   * Reads all leases, and calls `use` while it follows them.
   *
   * @throws {CodedError} `UNAVAILABLE`, or what `use` throws.
   */
  static async follow<T>(
    parts: HolderParts,
    use: (holders: LeaseHolders) => Promise<T>,
  ): Promise<T> {
    const holders = new LeaseHolders(parts);
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = await watchLeases(parts.leases, {
      onLease: (id, entry) => {
        if (entry === null) holders.#holders.delete(id);
        else {
          const routingRevision = Number(entry.lease.routingRevision);
          holders.#holders.set(id, { routingRevision, kind: entry.lease.kind });
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

  gateways(): readonly string[] {
    const isGateway = ([, { kind }]: readonly [string, Holder]) =>
      kind !== ProcessKind.CONTROL_PLANE;
    return [...this.#holders].filter(isGateway).map(([id]) => id);
  }

  changed(): Promise<void> {
    return this.#changed.promise;
  }

  async isAlive(id: string): Promise<boolean> {
    return (await probeControl(this.#parts.connection, id, PROBE_MS)) !== "absent";
  }

  tellToDrain(id: string): void {
    this.#parts.tellToDrain(id);
  }

  async fence(id: string, revision: number): Promise<void> {
    const { leases } = this.#parts;
    for (let turn = 1; ; turn += 1) {
      const entry = await leases.get(leaseKey(id));
      if (entry === null) return;
      if (Number(decodeLease(entry.value)?.routingRevision ?? 0) >= revision) return;
      try {
        return await leases.delete(leaseKey(id), entry.revision);
      } catch (error) {
        const isRenewed = CodedError.from(error).code === "ETAG_MISMATCH";
        if (!isRenewed || turn === FENCE_COUNT_MAX) throw error;
      }
    }
  }
}
