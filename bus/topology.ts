/**
 * What the fleet looks like, for operators: processes, shards and slots as they stand now.
 *
 * Reads only, and nothing here is on the way of a message. Both buses answer: on the embedded one
 * there is one process.
 */
import type { ShardLimits } from "./shard-limits.ts";

/** A process that may publish: on NATS one with a lease (R12). */
export interface ProcessEntry {
  /** [a-z0-9-]{1,32}; one living process has it. */
  readonly id: string;
  readonly parts: "gateway" | "controlplane" | "all";
  /** Random, for each start, and anew when its lease was gone before it could be renewed. */
  readonly incarnation: string;
  /** Where it runs, for people. */
  readonly host: string;
  readonly pid: number;
  /** Of Tidegate, semantic. */
  readonly version: string;
  /** When it started, by its own clock; microseconds since 1970-01-01 UTC, as all times here. */
  readonly startedUs: number;
  /** Last sign of life: when its lease was renewed, by the bus's clock. */
  readonly renewedUs: number;
  /**
   * When it is gone from the list unless it renews: a killed process stays until then. Null where
   * there are no leases, and the list is this process alone.
   */
  readonly expiresUs: number | null;
  /** Highest revision of the routing that it has applied and settled (R10); 0 for none. */
  readonly routingRevision: number;
  /** What it announced last ({@link Topology.announce}); empty before. */
  readonly facts: Uint8Array;
}

/** Bytes of what a process announces: it is renewed with its lease, every 5 s. */
export const FACTS_BYTES_MAX = 4096;

/** "active" takes slots; "draining" takes none any more; "retired" has none, but its history. */
export type ShardState = "active" | "draining" | "retired";

/** What a shard is to be, as its record says. */
export interface ShardSetting extends ShardLimits {
  /** Counts changes; 1 is as the shard was made. Its etag. */
  readonly revision: number;
  /** Placement group, 0 to 15; never changes. */
  readonly group: number;
  /** Empty for none. */
  readonly region: string;
  /** What it can carry beside the others of its group. */
  readonly capacity: number;
  readonly state: ShardState;
  readonly createdUs: number;
  /** When it was retired; null while it is not. */
  readonly retiredUs: number | null;
}

/** A shard by its record alone. */
export interface ShardSettingEntry {
  readonly shard: number;
  readonly settings: ShardSetting;
}

/** What the store of a shard says of itself. */
export interface ShardFacts {
  /** Server that takes its writes; empty where there is one server. */
  readonly leader: string;
  /** What is stored; on NATS with some markers of the shard's own. */
  readonly messageCount: number;
  /** Oldest sequence stored; above `lastSeq` when nothing is. */
  readonly firstSeq: number;
  /** Newest sequence ever given; 0 for none. */
  readonly lastSeq: number;
  /** As they count against `bytesMax`. */
  readonly bytes: number;
  /** Bytes at which it refuses; for a short time more than its settings say (R10). */
  readonly bytesMax: number;
  /** Copies there are to be now. */
  readonly replicaCount: number;
  /** When its newest message of a room was stored; 0 when there is none. */
  readonly newestUs: number;
}

/** A shard: where the durable messages of some slots are stored. */
export interface ShardEntry {
  /** From 0. */
  readonly shard: number;
  /** What it is called where it is stored: a stream, or a file. */
  readonly store: string;
  /** Slots whose record names it as the owner, ascending. */
  readonly slots: readonly number[];
  /** Slots that are on their way to it, ascending. */
  readonly arrivingSlots: readonly number[];
  /** Null when its record can not be read. */
  readonly settings: ShardSetting | null;
  /** Null when it did not answer: `trouble` says why. */
  readonly facts: ShardFacts | null;
  /** A sentence; empty when there is none. */
  readonly trouble: string;
}

/** An epoch of a slot that takes no more messages. */
export interface SealedEntry {
  readonly epoch: number;
  readonly shard: number;
  /** Nothing of it stands behind this sequence of the shard. */
  readonly lastSeq: number;
  /** 0 for the first epoch. */
  readonly openedUs: number;
  readonly sealedUs: number;
  /** Whether it ended because its history had gone backwards (R9). */
  readonly wentBackwards: boolean;
}

/** A placement group: slots with shards of their own. */
export interface GroupEntry {
  /** 0 to 15. */
  readonly group: number;
  /** Shards that it began with: a slot that never moved is owned by the (slot mod count)-th. */
  readonly firstShards: readonly number[];
}

/** A slot, by its routing record. */
export interface SlotEntry {
  /** group × SLOT_COUNT + its number in the group. */
  readonly slot: number;
  /** "sealing" and "removing" are the steps of a move (R10). */
  readonly state: "open" | "sealing" | "removing";
  /** From 1. */
  readonly epoch: number;
  /** The owner in this epoch. */
  readonly shard: number;
  /** While it moves: the owner of the next epoch, which may be the same. */
  readonly targetShard: number | null;
  /** While it moves: when others may finish or undo it. */
  readonly deadlineUs: number | null;
  /** When the epoch opened; 0 for the first. */
  readonly openedUs: number;
  /** Earlier epochs, oldest first; those past retention are left out. */
  readonly sealed: readonly SealedEntry[];
  /** Of the record in the routing; 0 when there is none, since the slot never moved. */
  readonly revision: number;
}

/** The fleet now. Every call throws `UNAVAILABLE` when the bus can not be asked. */
export interface Topology {
  /**
   * Says something of this process to whoever lists the processes: encoded GatewayFacts. It is kept
   * until the next call, and shown within a second of it while the bus takes writes.
   *
   * @param facts at most FACTS_BYTES_MAX; `REQUEST_INVALID` beyond it.
   */
  announce(facts: Uint8Array): void;
  /** Every process, by id. */
  processes(): Promise<readonly ProcessEntry[]>;
  /** Numbers of all shards, ascending. */
  shardNumbers(): Promise<readonly number[]>;
  /** What every shard is to be, ascending: by the records alone, no shard is asked. */
  shardSettings(): Promise<readonly ShardSettingEntry[]>;
  /**
   * Shards by their numbers, in that order; numbers of none are left out. One that does not answer
   * within 2 s is there with what is known without it.
   */
  shards(numbers: readonly number[]): Promise<readonly ShardEntry[]>;
  /**
   * How many messages are stored of each room of a shard, over all epochs; nothing for a shard that
   * is not there. Costs what the rooms are: some 0.1 s of the store for 100 000, in steps.
   *
   * @param visit gets each room's token, on NATS once an epoch.
   */
  roomCounts(shard: number, visit: (token: string, messageCount: number) => void): Promise<void>;
  /** Every placement group, ascending. */
  groups(): Promise<readonly GroupEntry[]>;
  /** Every slot of every group, ascending. */
  slots(): Promise<readonly SlotEntry[]>;
  /** One slot of a group that exists. @throws {CodedError} `REQUEST_INVALID` for any other. */
  slot(slot: number): Promise<SlotEntry>;
}
