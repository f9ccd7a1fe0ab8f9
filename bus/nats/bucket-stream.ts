/**
 * The stream behind a bucket of keys: made when missing, and able to take atomic batches.
 */
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { updateStream } from "./stream-api.ts";

/** JetStream: there is no such stream. */
const notFoundCode = 10059;
/** Expiries stay visible to watchers this long, ns. */
const MARKER_TTL_NS = 60_000_000_000;

/**
 * Makes it when it is missing; one that an earlier version made learns atomic batches. All else of
 * a present one is the operator's.
 *
 * @throws what the server says.
 */
export async function ensureBucket(
  connection: NatsConnection,
  manager: JetStreamManager,
  bucket: string,
  replicas: number,
): Promise<void> {
  const name = `KV_${bucket}`;
  try {
    const { config } = await manager.streams.info(name);
    if (config.allow_atomic !== true) {
      await updateStream(connection, { ...config, allow_atomic: true });
    }
    return;
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== notFoundCode) throw error;
  }
  // What @nats-io/kv would make, and allow_atomic. The same again, by another process, is harmless.
  await manager.streams.add({
    name,
    subjects: [`$KV.${bucket}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
    max_msg_size: -1,
    max_bytes: -1,
    allow_rollup_hdrs: true,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: MARKER_TTL_NS,
    // Reads come from the leader, so that they see every earlier write.
    allow_direct: false,
    allow_atomic: true,
  });
}
