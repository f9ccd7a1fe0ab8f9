/**
 * A shard's stream: the settings it must have, and how a present one differs.
 *
 * Pure. Some differences are mended by an update; others can not be changed, or would break what
 * was promised for messages already stored, so they are shown to the operator instead. The subject
 * list is neither: it is the assignment of slots and belongs to routing (R11).
 */
import type { StreamConfig } from "@nats-io/jetstream";
import type { ShardSettings } from "../../proto/gen/tidegate/bus/v1/shard_settings.ts";
import { shardStream } from "./wire.ts";

/** The stream of a shard as it is made. */
export type ShardStream = Partial<StreamConfig> & { readonly name: string };

/** One setting that is not as it should be; values as JSON. */
export interface Difference {
  readonly setting: string;
  readonly present: string;
  readonly wanted: string;
}

/** How a present stream differs from the one that is wanted. */
export interface StreamDifference {
  /** Mended by an update. */
  readonly changes: readonly Difference[];
  /** Refused: an operator has to decide. */
  readonly conflicts: readonly Difference[];
}

/** Servers count times in nanoseconds. */
const nanosOfMs = 1_000_000;

/** A move may have raised the bytes of a full shard a little (R10); that much is left alone. */
const bytesTolerance = 1 / 20;

/** What an update sets; the rest decides what was promised, or can not be changed. */
const changeable = [
  "num_replicas",
  "max_msgs_per_subject",
  "max_age",
  "max_bytes",
  "max_msgs",
  "max_msg_size",
  "duplicate_window",
  "allow_direct",
  "placement",
] as const;
const fixed = [
  "storage",
  "retention",
  "discard",
  "discard_new_per_subject",
  "republish",
  "no_ack",
  "sealed",
  "mirror",
  "sources",
  "subject_transform",
] as const;
type Setting = (typeof changeable)[number] | (typeof fixed)[number];

/** Values that servers leave out. */
const absent: Partial<Record<Setting, unknown>> = {
  discard_new_per_subject: false,
  no_ack: false,
  sealed: false,
  allow_direct: false,
};

/** What a shard's stream may capture: slots in any epoch, and the shard's markers. */
const ownSubject = /^tg\.(in\.\d{1,2}-\d{1,4}\.\d+\.\*|seal\.\d+\.>)$/;

/** The stream of a shard with explicit settings. */
export function shardStreamConfig(
  shard: number,
  subjects: readonly string[],
  settings: ShardSettings,
  dedupeWindowMs: number,
): ShardStream {
  const { placementTags } = settings;
  const placement =
    placementTags.length === 0 ? {} : { placement: { cluster: "", tags: placementTags } };
  return {
    name: shardStream(shard),
    subjects: [...subjects],
    storage: "file",
    retention: "limits",
    num_replicas: settings.replicaCount,
    // Per room the oldest go; a full stream refuses.
    discard: "new",
    discard_new_per_subject: false,
    max_msgs_per_subject: settings.roomMessageCountMax,
    max_age: Number(settings.retentionMs) * nanosOfMs,
    max_bytes: Number(settings.bytesMax),
    max_msgs: -1,
    max_msg_size: -1,
    duplicate_window: dedupeWindowMs * nanosOfMs,
    allow_direct: true,
    republish: { src: "tg.in.>", dest: "tg.out.>" },
    ...placement,
  };
}

/** How `present` differs from `wanted`; subjects count only when they are none of ours. */
export function compareStream(wanted: ShardStream, present: StreamConfig): StreamDifference {
  const differs = (setting: Setting) => !isSame(setting, wanted, present);
  const conflicts = fixed.filter(differs).map((each) => differenceOf(each, wanted, present));
  const foreign = present.subjects.filter((subject) => !ownSubject.test(subject));
  if (foreign.length > 0) {
    const shown = foreign.slice(0, 3).join(" ") + (foreign.length > 3 ? " …" : "");
    conflicts.push({ setting: "subjects", present: shown, wanted: "only tg.in.… and tg.seal.…" });
  }
  const changes = changeable.filter(differs).map((each) => differenceOf(each, wanted, present));
  return { changes, conflicts };
}

/** The update that mends `present`: all its own settings, subjects too, but the changeable ones. */
export function mendedStream(wanted: ShardStream, present: StreamConfig): StreamConfig {
  const mended: Record<string, unknown> = { ...present };
  for (const setting of changeable) {
    if (isSame(setting, wanted, present)) continue;
    if (wanted[setting] === undefined) delete mended[setting];
    else mended[setting] = wanted[setting];
  }
  return mended as unknown as StreamConfig;
}

/** Differences as a table for people. */
export function differenceTable(differences: readonly Difference[]): string {
  const rows = [{ setting: "setting", present: "is", wanted: "must be" }, ...differences];
  const width = (name: keyof Difference) => Math.max(...rows.map((row) => row[name].length));
  const [first, second] = [width("setting"), width("present")];
  return rows
    .map(({ setting, present, wanted }) => {
      return `  ${setting.padEnd(first)}  ${present.padEnd(second)}  ${wanted}`;
    })
    .join("\n");
}

function isSame(setting: Setting, wanted: ShardStream, present: StreamConfig): boolean {
  if (setting === "max_bytes") {
    const beyond = present.max_bytes - (wanted.max_bytes ?? 0);
    return beyond >= 0 && beyond <= (wanted.max_bytes ?? 0) * bytesTolerance;
  }
  return shown(setting, wanted) === shown(setting, present);
}

function differenceOf(setting: Setting, wanted: ShardStream, present: StreamConfig): Difference {
  return { setting, present: shown(setting, present), wanted: shown(setting, wanted) };
}

function shown(setting: Setting, config: Partial<StreamConfig>): string {
  const value = config[setting] ?? absent[setting];
  if (setting === "placement") {
    const { cluster = "", tags = [] } = config.placement ?? {};
    return JSON.stringify({ ...(cluster === "" ? {} : { cluster }), tags: [...tags].sort() });
  }
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return "none";
  return JSON.stringify(value);
}
