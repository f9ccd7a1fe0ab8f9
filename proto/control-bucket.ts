/**
 * The bus KV bucket of the configuration: what operators set and control planes decide.
 *
 * One bucket, so that there is one order of revisions (the version of the configuration is a single
 * number) and that a change can be written together with its audit entry (KeyValue.commit). Keys
 * begin with what they hold: "slot.", "shard.", "group.", "class.", "limit.", "operation.",
 * "audit.", "mover." and more; watch a prefix, not everything.
 */

/** Name of the bucket. */
export const CONTROL_BUCKET = "control";
