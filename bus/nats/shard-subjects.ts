/**
 * The subject list of a shard's stream: which slots, in which epochs, it takes messages of.
 *
 * Every change is confirmed by the stream's leader; a timeout confirms nothing (R10 step 2: going
 * on without the old leader's own word stored and acknowledged 200 of 200 publishes twice).
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { type StreamFacts, streamFacts, updateStream } from "./stream-api.ts";
import { inSlotSubjects, shardStream } from "./wire.ts";

/** Bytes added to the limit of a full shard, so that the marker of a seal still fits. */
const SEAL_BYTES = 1024 ** 2;

/** Whether the shard takes messages of a slot's epoch, by its leader's word. */
export async function hasEpoch(
  connection: NatsConnection,
  shard: number,
  slot: number,
  epoch: number,
): Promise<boolean> {
  return includes(await streamFacts(connection, shardStream(shard)), slot, epoch);
}

/**
 * Adds a slot's epoch to a shard's list.
 *
 * @param check is called right before the update is sent; throws when it must not be any more.
 * @throws {CodedError} `UNAVAILABLE`.
 */
export async function addEpoch(
  connection: NatsConnection,
  shard: number,
  slot: number,
  epoch: number,
  check: () => void,
): Promise<void> {
  const facts = await streamFacts(connection, shardStream(shard));
  if (includes(facts, slot, epoch)) return;
  const subjects = [...facts.config.subjects, inSlotSubjects(slot, epoch)];
  check();
  await updateStream(connection, { ...facts.config, subjects });
}

/**
 * Removes a slot's epoch from a shard's list.
 *
 * @param known the list as it was lately, if nobody else can have changed it since; null: ask.
 * @returns what its leader says of it now.
 * @throws {CodedError} `UNAVAILABLE`: unknown whether it was, or will be, removed.
 */
export async function removeEpoch(
  connection: NatsConnection,
  shard: number,
  slot: number,
  epoch: number,
  check: () => void,
  known: StreamFacts | null = null,
): Promise<StreamFacts> {
  const facts = known ?? (await streamFacts(connection, shardStream(shard)));
  if (!includes(facts, slot, epoch)) return facts;
  const { config, bytes } = facts;
  const gone = inSlotSubjects(slot, epoch);
  const subjects = config.subjects.filter((subject) => subject !== gone);
  const isFull = config.max_bytes > 0 && bytes + SEAL_BYTES > config.max_bytes;
  const max_bytes = isFull ? bytes + 2 * SEAL_BYTES : config.max_bytes;
  check();
  return updateStream(connection, { ...config, subjects, max_bytes });
}

/** Raises the bytes of a full shard a little, so that a marker fits. @throws as removeEpoch. */
export async function makeRoom(connection: NatsConnection, stream: string): Promise<void> {
  const { config } = await streamFacts(connection, stream);
  await updateStream(connection, { ...config, max_bytes: config.max_bytes + 2 * SEAL_BYTES });
}

function includes({ config }: StreamFacts, slot: number, epoch: number): boolean {
  return config.subjects.includes(inSlotSubjects(slot, epoch));
}
