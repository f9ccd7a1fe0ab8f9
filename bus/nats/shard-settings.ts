/**
 * What a shard's stream is made with, where shards may differ: copies, limits, placement.
 *
 * Pure. The record on the bus KV (proto/tidegate/bus/v1/shard_settings.proto) is the truth, so that
 * processes with different options do not fight; options are what a new shard begins with. A
 * settings file is an operator's word that others are wanted: it counts only while its revision is
 * higher than the record's, so it is applied once, by whoever starts first.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type ShardSettings, ShardState } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { checkShardLimits, SHARD_BOUNDS, type ShardLimits } from "../shard-limits.ts";
import { toLimits, withLimits } from "../shard-record.ts";
import { isTrimmed, newShard } from "../shard-rules.ts";

/** A settings file, read. */
export interface SettingsFile {
  /** Counts its changes, 2 or more. */
  readonly revision: number;
  readonly default: Partial<ShardLimits>;
  readonly shards: ReadonlyMap<number, Partial<ShardLimits>>;
}

/** What is to be done about a shard's record. */
export interface SettingsDecision {
  readonly settings: ShardSettings;
  readonly isChanged: boolean;
  /** Settings wanted here that do not count, as "name here → kept"; empty when there are none. */
  readonly ignored: readonly string[];
}

/**
 * Reads a settings file: `{"revision": 2, "default": {…}, "shards": {"0": {…}}}`.
 *
 * @throws {CodedError} `OPTION_INVALID` naming what is wrong in it.
 */
export function parseSettingsFile(text: string): SettingsFile {
  const where = "SHARD_SETTINGS_FILE";
  const refuse = (detail: string, cause?: unknown): never => {
    throw new CodedError("OPTION_INVALID", `${where}: ${detail}`, cause);
  };
  let file: Record<string, unknown>;
  try {
    file = asObject(JSON.parse(text)) ?? refuse("it is no JSON object");
  } catch (error) {
    return error instanceof CodedError ? refuse(error.detail) : refuse("it is no JSON", error);
  }
  const unknown = Object.keys(file).find((key) => !["revision", "default", "shards"].includes(key));
  if (unknown !== undefined) refuse(`"${unknown}" is not known; it has revision, default, shards`);
  const { revision } = file;
  if (typeof revision !== "number" || !Number.isInteger(revision) || revision < 2) {
    return refuse("revision must be a whole number, 2 or more, raised with each change");
  }
  const shards = new Map<number, Partial<ShardLimits>>();
  for (const [key, value] of Object.entries(
    asObject(file.shards ?? {}) ?? refuse("shards is no object"),
  )) {
    if (!/^\d{1,3}$/.test(key) || Number(key) > 255) refuse(`shards.${key} is no shard, 0 to 255`);
    shards.set(Number(key), readLimits(value, `${where} shards.${key}: `));
  }
  return { revision, default: readLimits(file.default ?? {}, `${where} default: `), shards };
}

/**
 * What the settings of a shard are now.
 *
 * @param kept the record, or null when the shard is new.
 * @param options what a new shard begins with.
 * @param nowUs when this is decided; as of then a changed shard's epochs do not count as whole.
 */
export function decideSettings(
  kept: ShardSettings | null,
  options: ShardLimits,
  file: SettingsFile | null,
  shard: number,
  nowUs: number,
): SettingsDecision {
  const own = { ...file?.default, ...file?.shards.get(shard) };
  if (kept === null) {
    const policy = { group: 0, region: "", capacity: 1 };
    const made = newShard(policy, { ...options, ...own }, file?.revision ?? 1, nowUs);
    const settings = { ...made, state: ShardState.ACTIVE };
    return { settings, isChanged: true, ignored: [] };
  }
  const keptLimits = toLimits(kept);
  if (file !== null && file.revision > kept.revision) {
    const changed = withLimits(kept, { ...keptLimits, ...own });
    const wholeFromUs = isTrimmed(kept, changed) ? BigInt(nowUs) : kept.wholeFromUs;
    const settings = { ...changed, revision: file.revision, wholeFromUs };
    return { settings, isChanged: true, ignored: [] };
  }
  const wanted = { ...options, ...own };
  const names = Object.keys(keptLimits) as (keyof ShardLimits)[];
  const ignored = names.flatMap((name) => {
    const [here, there] = [JSON.stringify(wanted[name]), JSON.stringify(keptLimits[name])];
    return here === there ? [] : [`${name} ${here} → ${there}`];
  });
  return { settings: kept, isChanged: false, ignored };
}

function readLimits(value: unknown, where: string): Partial<ShardLimits> {
  const limits = asObject(value);
  if (limits === null) throw new CodedError("OPTION_INVALID", `${where}it is no object`);
  const known = ["replicaCount", "placementTags", ...Object.keys(SHARD_BOUNDS)];
  const unknown = Object.keys(limits).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    const detail = `${where}"${unknown}" is not known; it has ${known.join(", ")}`;
    throw new CodedError("OPTION_INVALID", detail);
  }
  checkShardLimits(limits, where);
  return limits;
}

function asObject(value: unknown): Record<string, unknown> | null {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : null;
}
