/**
 * The NATS bus's options as the process's options say them.
 */
import type { NatsBusOptions } from "./bus/nats/options.ts";
import { readOptionFile } from "./option-file.ts";
import type { OptionValues } from "./options.ts";

/**
 * @param name of this process on the bus, [a-z0-9-].
 * @param version of Tidegate.
 * @throws {CodedError} `OPTION_INVALID` for a file that can not be read.
 */
export function natsOptions(
  options: OptionValues,
  name: string,
  version: string,
): Partial<NatsBusOptions> {
  return {
    servers: options.list("NATS_URL"),
    name,
    parts: options.text("PARTS") as NatsBusOptions["parts"],
    version,
    credentials: readOptionFile(options, "NATS_CREDS_FILE"),
    token: options.text("NATS_TOKEN"),
    user: options.text("NATS_USER"),
    password: options.text("NATS_PASSWORD"),
    tlsCa: readOptionFile(options, "NATS_TLS_CA_FILE"),
    tlsCert: readOptionFile(options, "NATS_TLS_CERT_FILE"),
    tlsKey: readOptionFile(options, "NATS_TLS_KEY_FILE"),
    shardCount: options.integer("SHARD_COUNT"),
    replicaCount: options.integer("REPLICA_COUNT"),
    shardBytesMax: options.integer("SHARD_BYTES_MAX"),
    placementTags: options.list("PLACEMENT_TAGS"),
    shardSettings: readOptionFile(options, "SHARD_SETTINGS_FILE"),
    dedupeWindowMs: options.integer("DEDUPE_WINDOW_MS"),
    roomMessageCountMax: options.integer("ROOM_MESSAGE_COUNT_MAX"),
    journalBytesMax: options.integer("JOURNAL_BYTES_MAX"),
    retentionMs: options.integer("RETENTION_MS"),
  };
}
