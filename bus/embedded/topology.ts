/**
 * The fleet of the embedded bus: this process, and its store as the one shard of all slots.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { checkFacts } from "../check-arguments.ts";
import { checkKnownSlot } from "../shard-rules.ts";
import { SLOT_COUNT } from "../subjects.ts";
import type { GroupEntry, ProcessEntry, ShardEntry, SlotEntry, Topology } from "../topology.ts";
import { STORE_FILE } from "./database.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import type { StoreFacts } from "./worker-protocol.ts";

/** The one owner that every slot ever has. */
const onlyShard = 0;
const onlyEpoch = 1;
const onlyGroups = new Set([0]);

/** Its record, but for the limits that options set. */
const onlySetting = {
  revision: 1,
  replicaCount: 1,
  placementTags: [],
  group: 0,
  region: "",
  capacity: 1,
  state: "active",
  createdUs: 0,
  retiredUs: null,
} as const;

/** The store as the topology asks it. */
export interface TopologyStore {
  /** Throws when the bus has ended. */
  check(): void;
  facts(): Promise<StoreFacts>;
}

export class EmbeddedTopology implements Topology {
  readonly #options: EmbeddedBusOptions;
  readonly #store: TopologyStore;
  readonly #incarnation = randomBytes(8).toString("hex");
  readonly #startedUs = Date.now() * 1000;
  #facts: Uint8Array = new Uint8Array(0);

  constructor(options: EmbeddedBusOptions, store: TopologyStore) {
    this.#options = options;
    this.#store = store;
  }

  announce(facts: Uint8Array): void {
    checkFacts(facts);
    this.#facts = facts;
  }

  async processes(): Promise<ProcessEntry[]> {
    this.#store.check();
    const { name, parts, version } = this.#options;
    return [
      {
        ...{ id: name, parts, version },
        incarnation: this.#incarnation,
        host: hostname(),
        pid: process.pid,
        startedUs: this.#startedUs,
        renewedUs: Date.now() * 1000,
        expiresUs: null,
        routingRevision: 0,
        facts: this.#facts,
      },
    ];
  }

  async shardNumbers(): Promise<number[]> {
    this.#store.check();
    return [onlyShard];
  }

  async shards(numbers: readonly number[]): Promise<ShardEntry[]> {
    const { roomMessageCountMax, retentionMs, storeBytesMax } = this.#options;
    const facts = await this.#store.facts();
    const limits = { roomMessageCountMax, retentionMs, shardBytesMax: storeBytesMax };
    const only: ShardEntry = {
      shard: onlyShard,
      store: STORE_FILE,
      slots: Array.from({ length: SLOT_COUNT }, (_, slot) => slot),
      arrivingSlots: [],
      settings: { ...onlySetting, ...limits },
      facts: { ...{ leader: "", bytesMax: storeBytesMax, replicaCount: 1, newestUs: 0 }, ...facts },
      trouble: "",
    };
    return numbers.filter((shard) => shard === onlyShard).map(() => only);
  }

  async groups(): Promise<GroupEntry[]> {
    this.#store.check();
    return [{ group: 0, firstShards: [onlyShard] }];
  }

  async slots(): Promise<SlotEntry[]> {
    this.#store.check();
    return Array.from({ length: SLOT_COUNT }, (_, slot) => toSlot(slot));
  }

  async slot(slot: number): Promise<SlotEntry> {
    checkKnownSlot(slot, onlyGroups);
    this.#store.check();
    return toSlot(slot);
  }
}

function toSlot(slot: number): SlotEntry {
  return {
    slot,
    state: "open",
    epoch: onlyEpoch,
    shard: onlyShard,
    targetShard: null,
    deadlineUs: null,
    openedUs: 0,
    sealed: [],
    revision: 0,
  };
}
