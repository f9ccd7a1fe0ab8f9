/**
 * The fleet as NATS knows it: leases, routing records, and what leaders of streams say.
 *
 * Everything is read when asked for, so that a process which is behind shows no old picture.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { ProcessKind } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import { checkFacts } from "../check-arguments.ts";
import { toSetting } from "../shard-record.ts";
import { checkKnownSlot } from "../shard-rules.ts";
import { toSlotEntry } from "../slot-entry.ts";
import type {
  GroupEntry,
  ProcessEntry,
  ShardEntry,
  ShardFacts,
  ShardSettingEntry,
  SlotEntry,
  Topology,
} from "../topology.ts";
import type { NatsKeyValue } from "./key-value.ts";
import type { Lease } from "./lease.ts";
import { listTimedLeases, type TimedLease } from "./lease-records.ts";
import type { Routes } from "./routes.ts";
import type { ShardRegistry } from "./shard-registry.ts";
import { newestUs, streamFacts, subjectCounts } from "./stream-api.ts";
import { shardStream } from "./wire.ts";

/** A bucket without an answer after this is given up, ms: its leader may be gone for 4 to 9 s. */
const READ_MS_MAX = 5000;

/** What the topology is read from. */
export interface TopologyParts {
  readonly connection: NatsConnection;
  readonly leases: NatsKeyValue;
  readonly leaseTtlMs: number;
  /** This process's. */
  readonly lease: Pick<Lease, "announce">;
  readonly routes: Routes;
  readonly registry: ShardRegistry;
  /** Runs a read; throws when the bus has ended. */
  read<T>(read: () => Promise<T>): Promise<T>;
}

export class NatsTopology implements Topology {
  readonly #parts: TopologyParts;

  constructor(parts: TopologyParts) {
    this.#parts = parts;
  }

  announce(facts: Uint8Array): void {
    checkFacts(facts);
    this.#parts.lease.announce(facts);
  }

  async processes(): Promise<ProcessEntry[]> {
    const { leases, leaseTtlMs } = this.#parts;
    const found = await this.#bounded(() => listTimedLeases(leases));
    return found.map((lease) => toProcess(lease, leaseTtlMs));
  }

  async shardNumbers(): Promise<number[]> {
    const { registry } = this.#parts;
    await this.#bounded(() => registry.reload());
    return registry.numbers();
  }

  async shardSettings(): Promise<ShardSettingEntry[]> {
    const { shards } = this.#parts.registry;
    return (await this.shardNumbers()).flatMap((shard) => {
      const record = shards.get(shard);
      const settings = record === undefined ? null : toSetting(record);
      return settings === null ? [] : [{ shard, settings }];
    });
  }

  async shards(numbers: readonly number[]): Promise<ShardEntry[]> {
    const slots = await this.slots();
    const { registry } = this.#parts;
    const known = numbers.filter((shard) => registry.shards.has(shard));
    return Promise.all(known.map((shard) => this.#shard(shard, slots)));
  }

  roomCounts(shard: number, visit: (token: string, messageCount: number) => void): Promise<void> {
    const { connection, read } = this.#parts;
    return read(() => subjectCounts(connection, shardStream(shard), visit));
  }

  async groups(): Promise<GroupEntry[]> {
    const { registry } = this.#parts;
    await this.#bounded(() => registry.reload());
    const entries = [...registry.groups].map(([group, { firstShards }]) => ({
      group,
      firstShards,
    }));
    return entries.sort((a, b) => a.group - b.group);
  }

  async slots(): Promise<SlotEntry[]> {
    const { routes } = this.#parts;
    await this.#bounded(() => routes.reload());
    return [...routes.slots()].map((slot) => toSlotEntry(slot, routes.of(slot)));
  }

  async slot(slot: number): Promise<SlotEntry> {
    const { routes, registry, read } = this.#parts;
    await read(async () => checkKnownSlot(slot, registry.groups));
    return toSlotEntry(slot, await this.#bounded(() => routes.refresh(slot)));
  }

  async #shard(shard: number, slots: readonly SlotEntry[]): Promise<ShardEntry> {
    const facts = await attempt(this.#facts(shard));
    const settings = this.#parts.registry.shards.get(shard);
    const owned = slots.filter((each) => each.shard === shard);
    const arriving = slots.filter((each) => each.targetShard === shard && each.shard !== shard);
    return {
      shard,
      store: shardStream(shard),
      slots: owned.map(({ slot }) => slot),
      arrivingSlots: arriving.map(({ slot }) => slot),
      settings: settings === undefined ? null : toSetting(settings),
      facts: facts.value,
      trouble: facts.trouble,
    };
  }

  async #facts(shard: number): Promise<ShardFacts> {
    const { connection, read } = this.#parts;
    const stream = shardStream(shard);
    const [facts, newest] = await read(() =>
      Promise.all([streamFacts(connection, stream), newestUs(connection, stream)]),
    );
    const { leader, messageCount, firstSeq, lastSeq, bytes, config } = facts;
    const limits = { bytesMax: config.max_bytes, replicaCount: config.num_replicas };
    return { leader, messageCount, firstSeq, lastSeq, bytes, newestUs: newest, ...limits };
  }

  async #bounded<T>(read: () => Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | null = null;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const detail = `the bus's keys gave no answer within ${READ_MS_MAX} ms`;
        reject(new CodedError("UNAVAILABLE", detail));
      }, READ_MS_MAX);
    });
    try {
      return await this.#parts.read(() => Promise.race([read(), late]));
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }
}

/** What can not be told now is told as a trouble: the rest is what an operator looks for then. */
async function attempt<T>(read: Promise<T>): Promise<{ value: T | null; trouble: string }> {
  try {
    return { value: await read, trouble: "" };
  } catch (error) {
    const { code, detail } = CodedError.from(error);
    if (code !== "UNAVAILABLE") throw error;
    return { value: null, trouble: detail };
  }
}

function toProcess({ lease, writtenUs }: TimedLease, leaseTtlMs: number): ProcessEntry {
  const { id, incarnation, host, pid, version } = lease;
  return {
    ...{ id, incarnation, host, pid, version, parts: partsOf(lease.kind) },
    startedUs: Number(lease.startedUs),
    renewedUs: writtenUs,
    expiresUs: writtenUs + leaseTtlMs * 1000,
    routingRevision: Number(lease.routingRevision),
    facts: lease.facts,
  };
}

function partsOf(kind: ProcessKind): ProcessEntry["parts"] {
  if (kind === ProcessKind.CONTROL_PLANE) return "controlplane";
  return kind === ProcessKind.ALL ? "all" : "gateway";
}
