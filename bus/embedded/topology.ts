/**
 * The fleet of the embedded bus: this process, and the shards of its store.
 *
 * Read when asked for, from the same records as on NATS.
 */
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import type { GroupRecord } from "../../proto/gen/tidegate/bus/v1/group_record.ts";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import type { ProcessName } from "../bus.ts";
import { checkFacts } from "../check-arguments.ts";
import { decodeGroup } from "../group-record.ts";
import type { KeyValue } from "../key-value.ts";
import {
  GROUP_PREFIX,
  groupOfKey,
  ROUTE_PREFIX,
  routeKey,
  SHARD_PREFIX,
  shardOfKey,
  slotOfKey,
} from "../record-keys.ts";
import { decodeRoute, firstRoute, type Route } from "../route.ts";
import { decodeShardSettings, isThere, toSetting } from "../shard-record.ts";
import { checkKnownSlot } from "../shard-rules.ts";
import { toSlotEntry } from "../slot-entry.ts";
import { groupOfSlot, SLOT_COUNT } from "../subjects.ts";
import type {
  GroupEntry,
  ProcessEntry,
  ShardEntry,
  ShardFacts,
  ShardSettingEntry,
  SlotEntry,
  Topology,
} from "../topology.ts";
import { STORE_FILE } from "./database.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import type { LogFacts, RoomCount } from "./shard-log.ts";

/** The store as the topology asks it. */
export interface TopologyStore {
  /** Throws when the bus has ended. */
  check(): void;
  /** The bucket of records. */
  control(): Promise<KeyValue>;
  /** Of shards by their numbers; null for none. */
  facts(shards: readonly number[]): Promise<readonly (LogFacts | null)[]>;
  /** Messages of some rooms of a shard, those behind `afterRoom`; empty at the end. */
  roomCounts(shard: number, afterRoom: number): Promise<readonly RoomCount[]>;
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

  get self(): ProcessName {
    return { id: this.#options.name, incarnation: this.#incarnation };
  }

  async processes(): Promise<ProcessEntry[]> {
    this.#store.check();
    const { name, parts, version } = this.#options;
    // A record is applied in the commit that writes it.
    const revisions = [...(await this.#moved()).values()].map(({ revision }) => revision);
    return [
      {
        ...{ id: name, parts, version },
        incarnation: this.#incarnation,
        host: hostname(),
        pid: process.pid,
        startedUs: this.#startedUs,
        renewedUs: Date.now() * 1000,
        expiresUs: null,
        routingRevision: revisions.reduce((highest, each) => Math.max(highest, each), 0),
        facts: this.#facts,
      },
    ];
  }

  async shardNumbers(): Promise<number[]> {
    return (await this.shardSettings()).map(({ shard }) => shard);
  }

  async shardSettings(): Promise<ShardSettingEntry[]> {
    const entries = [...(await this.#settings())].flatMap(([shard, record]) => {
      const settings = toSetting(record);
      return settings === null ? [] : [{ shard, settings }];
    });
    return entries.sort((a, b) => a.shard - b.shard);
  }

  async shards(numbers: readonly number[]): Promise<ShardEntry[]> {
    const settings = await this.#settings();
    const known = numbers.filter((shard) => settings.has(shard));
    const facts = await this.#store.facts(known);
    const owned = Map.groupBy(await this.slots(), ({ shard }) => shard);
    return known.map((shard, i) => {
      const slots = owned.get(shard) ?? [];
      return toShard(shard, settings.get(shard), facts[i] ?? null, slots);
    });
  }

  async roomCounts(
    shard: number,
    visit: (token: string, messageCount: number) => void,
  ): Promise<void> {
    for (let afterRoom = 0; ; ) {
      const rows = await this.#store.roomCounts(shard, afterRoom);
      for (const { token, messageCount } of rows) visit(token, messageCount);
      const last = rows.at(-1);
      if (last === undefined) return;
      afterRoom = last.roomId;
    }
  }

  async groups(): Promise<GroupEntry[]> {
    const groups = [...(await this.#groups())].sort(([a], [b]) => a - b);
    return groups.map(([group, { firstShards }]) => ({ group, firstShards }));
  }

  async slots(): Promise<SlotEntry[]> {
    const groups = await this.groups();
    const moved = await this.#moved();
    return groups.flatMap(({ group, firstShards }) =>
      Array.from({ length: SLOT_COUNT }, (_, i) => {
        const slot = group * SLOT_COUNT + i;
        return toSlotEntry(slot, moved.get(slot) ?? firstRoute(slot, firstShards));
      }),
    );
  }

  async slot(slot: number): Promise<SlotEntry> {
    const groups = await this.#groups();
    checkKnownSlot(slot, groups);
    const entry = await (await this.#store.control()).get(routeKey(slot));
    const record = entry === null ? null : decodeRoute(entry.value);
    if (entry !== null && record !== null) {
      return toSlotEntry(slot, { record, revision: entry.revision });
    }
    return toSlotEntry(slot, firstRoute(slot, groups.get(groupOfSlot(slot))?.firstShards ?? []));
  }

  async #settings(): Promise<Map<number, ShardSettings>> {
    const all = await this.#list(SHARD_PREFIX, shardOfKey, decodeShardSettings);
    return new Map([...all].filter(([, settings]) => isThere(settings)));
  }

  #groups(): Promise<Map<number, GroupRecord>> {
    return this.#list(GROUP_PREFIX, groupOfKey, decodeGroup);
  }

  /** Routes of slots with a record. */
  #moved(): Promise<Map<number, Route>> {
    return this.#list(ROUTE_PREFIX, slotOfKey, (value, revision) => {
      const record = decodeRoute(value);
      return record === null ? null : { record, revision };
    });
  }

  async #list<T>(
    prefix: string,
    numberOf: (key: string) => number | null,
    decode: (value: Uint8Array, revision: number) => T | null,
  ): Promise<Map<number, T>> {
    const all = new Map<number, T>();
    for (const { key, value, revision } of await (await this.#store.control()).list(prefix)) {
      const number = numberOf(key);
      const decoded = decode(value, revision);
      if (number !== null && decoded !== null) all.set(number, decoded);
    }
    return all;
  }
}

function toShard(
  shard: number,
  settings: ShardSettings | undefined,
  facts: LogFacts | null,
  slots: readonly SlotEntry[],
): ShardEntry {
  const setting = settings === undefined ? null : toSetting(settings);
  return {
    shard,
    store: facts === null ? STORE_FILE : `${STORE_FILE}: ${facts.table}`,
    slots: slots.map(({ slot }) => slot),
    arrivingSlots: [],
    settings: setting,
    facts: facts === null ? null : toFacts(facts, setting?.shardBytesMax ?? 0),
    trouble: facts === null ? "it was deleted just now" : "",
  };
}

function toFacts(facts: LogFacts, bytesMax: number): ShardFacts {
  const { messageCount, firstSeq, lastSeq, bytes, newestUs } = facts;
  const where = { leader: "", bytesMax, replicaCount: 1 };
  return { ...where, messageCount, firstSeq, lastSeq, bytes, newestUs };
}
