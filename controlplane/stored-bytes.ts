/**
 * What tenants store, counted twice a minute by the leader, while a limit "stored-bytes" is set.
 *
 * Messages are counted exactly, room by room, as the store has them; what one weighs is the mean of
 * a sample of the tenant's newest. Payloads and what members see of a message count, not copies,
 * indexes and names.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValue } from "../bus/key-value.ts";
import { addressOfToken, type RoomAddress } from "../bus/subjects.ts";
import { LIMIT_PREFIX, readLimit } from "../proto/limits.ts";
import {
  encodeStored,
  STORED_COUNT_MS,
  STORED_PREFIX,
  storedKey,
  storedTenant,
  USAGE_BUCKET,
} from "../proto/stored-usage.ts";
import { NO_TRACER, type Tracer } from "../telemetry/tracing/tracer.ts";
import { LeaderTurns } from "./leader-turns.ts";
import type { Log } from "./log.ts";

/** Rooms of a tenant whose newest messages are weighed, and how many of each: 320 messages. */
const SAMPLE_ROOM_COUNT = 16;
const SAMPLE_MESSAGE_COUNT = 20;

/** A tenant's rooms as they are counted: messages, and some rooms picked without bias. */
interface TenantCount {
  messageCount: number;
  roomCount: number;
  readonly sample: RoomAddress[];
}

/** Bytes stored of each of these tenants. @throws {CodedError} `UNAVAILABLE`. */
export async function countStored(
  bus: Bus,
  tenants: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, TenantCount>();
  const shards = tenants.size === 0 ? [] : await bus.topology.shardSettings();
  for (const { shard, settings } of shards) {
    await bus.topology.roomCounts(shard, (token, messageCount) => {
      if (messageCount === 0 || !tenants.has(token.slice(0, token.indexOf("=_")))) return;
      const address = addressOfToken(token, settings.group);
      if (address !== null) addRoom(counts, address, messageCount);
    });
  }
  const bytes = new Map<string, number>();
  for (const [tenant, { messageCount, sample }] of counts) {
    bytes.set(tenant, messageCount * (await meanBytes(bus, sample)));
  }
  return bytes;
}

/** Counts a room, and keeps it in the sample with the chance that every room has. */
function addRoom(counts: Map<string, TenantCount>, address: RoomAddress, messageCount: number) {
  const own = counts.get(address.tenant) ?? { messageCount: 0, roomCount: 0, sample: [] };
  own.messageCount += messageCount;
  own.roomCount += 1;
  counts.set(address.tenant, own);
  if (own.sample.length < SAMPLE_ROOM_COUNT) {
    own.sample.push(address);
    return;
  }
  const place = Math.floor(Math.random() * own.roomCount);
  if (place < SAMPLE_ROOM_COUNT) own.sample[place] = address;
}

async function meanBytes(bus: Bus, sample: readonly RoomAddress[]): Promise<number> {
  const reads = sample.map((address) => bus.readBefore(address, null, SAMPLE_MESSAGE_COUNT));
  const messages = (await Promise.all(reads)).flatMap((read) => read.messages);
  const sum = messages.reduce((total, { envelope }) => total + envelope.length, 0);
  return messages.length === 0 ? 0 : sum / messages.length;
}

/** Counts while this process leads. */
export class StoredBytes {
  readonly #bus: Bus;
  readonly #control: KeyValue;
  readonly #turns: LeaderTurns;
  /** There may be counts that nobody needs any more. */
  #hasCounted = false;

  /** @param control the bucket "control". */
  constructor(
    bus: Bus,
    control: KeyValue,
    log: Log,
    isLeading: () => boolean,
    tracer: Tracer = NO_TRACER,
  ) {
    this.#bus = bus;
    this.#control = control;
    const work = {
      name: "count stored bytes",
      everyMs: STORED_COUNT_MS,
      failed: "stored bytes were not counted; in a while",
    };
    this.#turns = new LeaderTurns({ ...work, isLeading, turn: () => this.count() }, log, tracer);
  }

  /** Begins no more counts; one under way ends by itself. */
  close(): void {
    this.#turns.close();
  }

  /** Counts now and says it to gateways; does nothing without a limit. Throws `UNAVAILABLE`. */
  async count(): Promise<void> {
    const tenants = await this.#limitedTenants();
    if (tenants.size === 0 && !this.#hasCounted) return;
    this.#hasCounted = tenants.size > 0;
    const counted = await countStored(this.#bus, tenants);
    const usage = await this.#bus.keyValue(USAGE_BUCKET);
    const present = new Map((await usage.list(STORED_PREFIX)).map((entry) => [entry.key, entry]));
    for (const tenant of tenants) {
      const value = encodeStored(counted.get(tenant) ?? 0);
      const before = present.get(storedKey(tenant));
      if (before === undefined) await usage.create(storedKey(tenant), value);
      else await usage.update(before.key, value, before.revision);
    }
    for (const { key, revision } of present.values()) {
      if (!tenants.has(storedTenant(key))) await usage.delete(key, revision);
    }
  }

  async #limitedTenants(): Promise<Set<string>> {
    const tenants = new Set<string>();
    for (const { key, value } of await this.#control.list(LIMIT_PREFIX)) {
      const [, tenant = "", limit] = key.split(".");
      if (limit !== "stored-bytes") continue;
      if ((readLimit("stored-bytes", value)?.value ?? 0) > 0) tenants.add(tenant);
    }
    return tenants;
  }
}
