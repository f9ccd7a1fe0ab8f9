/**
 * The fleet as NATS knows it: leases, routing records, and what leaders of streams say.
 *
 * Everything is read when asked for, so that a process which is behind shows no old picture.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { ProcessKind } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { SlotState } from "../../proto/gen/tidegate/bus/v1/slot_route.ts";
import { checkFacts, checkSlot } from "../check-arguments.ts";
import type { KeyValue } from "../key-value.ts";
import { SLOT_COUNT } from "../subjects.ts";
import type {
  GroupEntry,
  ProcessEntry,
  ShardEntry,
  ShardFacts,
  ShardSetting,
  SlotEntry,
  Topology,
} from "../topology.ts";
import type { NatsKeyValue } from "./key-value.ts";
import type { Lease } from "./lease.ts";
import { listTimedLeases, type TimedLease } from "./lease-records.ts";
import type { Route } from "./route.ts";
import type { Routes } from "./routes.ts";
import { decodeShardSettings, toLimits } from "./shard-settings.ts";
import { shardSettingsKey } from "./shard-streams.ts";
import { streamFacts } from "./stream-api.ts";
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
  readonly routing: KeyValue;
  readonly routes: Routes;
  readonly shardCount: number;
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

  shardNumbers(): Promise<number[]> {
    const { shardCount, read } = this.#parts;
    return read(async () => Array.from({ length: shardCount }, (_, shard) => shard));
  }

  async shards(numbers: readonly number[]): Promise<ShardEntry[]> {
    const slots = await this.slots();
    const known = numbers.filter((shard) => shard >= 0 && shard < this.#parts.shardCount);
    return Promise.all(known.map((shard) => this.#shard(shard, slots)));
  }

  async groups(): Promise<GroupEntry[]> {
    return [{ group: 0, firstShards: await this.shardNumbers() }];
  }

  async slots(): Promise<SlotEntry[]> {
    const { routes } = this.#parts;
    await this.#bounded(() => routes.reload());
    return Array.from({ length: SLOT_COUNT }, (_, slot) => toSlot(slot, routes.of(slot)));
  }

  async slot(slot: number): Promise<SlotEntry> {
    checkSlot(slot);
    const { routes } = this.#parts;
    return toSlot(slot, await this.#bounded(() => routes.refresh(slot)));
  }

  async #shard(shard: number, slots: readonly SlotEntry[]): Promise<ShardEntry> {
    const [settings, facts] = await Promise.all([
      attempt(this.#settings(shard)),
      attempt(this.#facts(shard)),
    ]);
    const owned = slots.filter((each) => each.shard === shard);
    const arriving = slots.filter((each) => each.targetShard === shard && each.shard !== shard);
    return {
      shard,
      store: shardStream(shard),
      slots: owned.map(({ slot }) => slot),
      arrivingSlots: arriving.map(({ slot }) => slot),
      settings: settings.value,
      facts: facts.value,
      trouble: facts.trouble || settings.trouble,
    };
  }

  async #settings(shard: number): Promise<ShardSetting> {
    const key = shardSettingsKey(shard);
    const entry = await this.#bounded(() => this.#parts.routing.get(key));
    const record = entry === null ? null : decodeShardSettings(entry.value);
    if (record !== null) return toSetting(record);
    const what = entry === null ? "is gone" : "holds no shard settings";
    throw new CodedError("UNAVAILABLE", `key ${key} of bucket routing ${what}`);
  }

  async #facts(shard: number): Promise<ShardFacts> {
    const { connection, read } = this.#parts;
    const facts = await read(() => streamFacts(connection, shardStream(shard)));
    const { leader, messageCount, firstSeq, lastSeq, bytes, config } = facts;
    const limits = { bytesMax: config.max_bytes, replicaCount: config.num_replicas };
    return { leader, messageCount, firstSeq, lastSeq, bytes, newestUs: 0, ...limits };
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

function toSetting(record: ShardSettings): ShardSetting {
  const whole = { group: 0, region: "", capacity: 1, state: "active" } as const;
  const times = { createdUs: 0, retiredUs: null };
  return { revision: record.revision, ...whole, ...times, ...toLimits(record) };
}

function toSlot(slot: number, { record, revision }: Route): SlotEntry {
  const { state, epoch, shard, targetShard, deadlineUs, openedUs, sealed } = record;
  const isMoving = state !== SlotState.OPEN;
  return {
    slot,
    state: stateOf(state),
    epoch,
    shard,
    targetShard: isMoving ? targetShard : null,
    deadlineUs: isMoving ? Number(deadlineUs) : null,
    openedUs: Number(openedUs),
    sealed: sealed.map((each) => ({
      epoch: each.epoch,
      shard: each.shard,
      lastSeq: Number(each.lastSeq),
      openedUs: Number(each.openedUs),
      sealedUs: Number(each.sealedUs),
      wentBackwards: each.wentBackwards,
    })),
    revision,
  };
}

/** Records with another state are refused when they are decoded. */
function stateOf(state: SlotState): SlotEntry["state"] {
  if (state === SlotState.SEALING) return "sealing";
  return state === SlotState.REMOVING ? "removing" : "open";
}
