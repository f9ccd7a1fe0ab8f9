/**
 * Options of the NATS bus, their defaults and bounds.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { checkJournalBytes, JOURNAL_BYTES_MAX } from "../journal.ts";
import { checkShardLimits } from "../shard-limits.ts";
import { DEDUPE_WINDOW_US } from "../void.ts";
import { LEASE_TTL_MS, LEASE_TTL_MS_MIN } from "./lease-rules.ts";

/**
 * How this process talks to NATS, and how shards are made when they do not exist yet: what each
 * shard has from then on is on the bus (shard-settings.ts), so that all processes agree.
 */
export interface NatsBusOptions {
  /** "nats://host:port" of some nodes, 1 to 16; the others are learnt from them. */
  readonly servers: readonly string[];
  /** Name of this process on the bus, 1 to 32 of [a-z0-9-]: the id of its lease (R12). */
  readonly name: string;
  /** What the process runs; for its lease. Default a gateway. */
  readonly parts: "all" | "gateway" | "controlplane";
  /** Version of Tidegate, for its lease. */
  readonly version: string;
  /** Contents of a .creds file, or empty. */
  readonly credentials: string;
  /** Token, or user and password; empty for none. */
  readonly token: string;
  readonly user: string;
  readonly password: string;
  /** PEM: authorities that servers' certificates must lead to; empty for the system's. */
  readonly tlsCa: string;
  /** PEM: our certificate and its private key, both or neither. */
  readonly tlsCert: string;
  readonly tlsKey: string;
  /** Shards (streams) of group 0 when none exist yet, 1 to 256. Default 4. */
  readonly shardCount: number;
  /** Copies of each stream and bucket: 1, 3 or 5. Default 1; production wants 3. */
  readonly replicaCount: number;
  /** Newest messages kept of each room, 1 to 1 000 000. Default 100 000. */
  readonly roomMessageCountMax: number;
  /** Age at which messages are deleted, ms, 1 minute to 30 days. Default 30 days. */
  readonly retentionMs: number;
  /** Bytes of one shard, 16 MiB to 16 TiB. Default 8 GiB. Members' publishes end at 95 %. */
  readonly shardBytesMax: number;
  /**
   * Names are remembered this long when no shard exists yet, ms, 3000 to 30 000. Default 30 000, by
   * R2; less only where a test freezes servers for longer. All budgets follow from it
   * (bus/void.ts).
   */
  readonly dedupeWindowMs: number;
  /** Every room is looked at within this, ms, 100 to 20 000 (R8). Default 10 000. */
  readonly sweepMs: number;
  /** Tags that servers must have to hold a new shard's copies, such as "az:a". Default none. */
  readonly placementTags: readonly string[];
  /** Contents of SHARD_SETTINGS_FILE (shard-settings.ts), or empty. */
  readonly shardSettings: string;
  /**
   * Bytes of the journal's stream, in each copy, 16 MiB to 1 TiB; 0: no journal. Default 1 GiB. The
   * oldest go first.
   */
  readonly journalBytesMax: number;
  /** Publishes without an ack, 1 to 100 000. Default 8192: 50 ms at 160 000/s. */
  readonly inFlightMax: number;
  /** Time to live of the lease, ms, 45 000; less only where a test waits for its end. */
  readonly leaseTtlMs: number;
}

const dayMs = 24 * 3600 * 1000;

/** Every option as it is when nothing is said. */
export const NATS_BUS_DEFAULTS: NatsBusOptions = {
  servers: ["nats://127.0.0.1:4222"],
  name: "tidegate",
  parts: "gateway",
  version: "",
  credentials: "",
  token: "",
  user: "",
  password: "",
  tlsCa: "",
  tlsCert: "",
  tlsKey: "",
  shardCount: 4,
  replicaCount: 1,
  roomMessageCountMax: 100_000,
  retentionMs: 30 * dayMs,
  shardBytesMax: 8 * 1024 ** 3,
  dedupeWindowMs: DEDUPE_WINDOW_US / 1000,
  sweepMs: 10_000,
  placementTags: [],
  shardSettings: "",
  journalBytesMax: JOURNAL_BYTES_MAX,
  inFlightMax: 8192,
  leaseTtlMs: LEASE_TTL_MS,
};

const bounds: Partial<Record<keyof NatsBusOptions, readonly [number, number]>> = {
  shardCount: [1, 256],
  dedupeWindowMs: [3000, DEDUPE_WINDOW_US / 1000],
  sweepMs: [100, 20_000],
  inFlightMax: [1, 100_000],
  leaseTtlMs: [LEASE_TTL_MS_MIN, LEASE_TTL_MS],
};

/**
 * Fills in defaults and refuses what is out of bounds.
 *
 * @throws {CodedError} `OPTION_INVALID` naming option, value and bound.
 */
export function validateNatsBusOptions(partial: Partial<NatsBusOptions>): NatsBusOptions {
  const options = { ...NATS_BUS_DEFAULTS, ...partial };
  for (const [name, [min, max]] of Object.entries(bounds)) {
    const value = options[name as keyof NatsBusOptions];
    if (typeof value !== "number" || !Number.isInteger(value) || value < min || value > max) {
      throw new CodedError("OPTION_INVALID", `${name} is ${value}, must be ${min} to ${max}`);
    }
  }
  checkShardLimits(options);
  checkJournalBytes(options.journalBytesMax);
  if (options.servers.length < 1 || options.servers.length > 16) {
    throw new CodedError(
      "OPTION_INVALID",
      `servers has ${options.servers.length}, must be 1 to 16`,
    );
  }
  return options;
}
