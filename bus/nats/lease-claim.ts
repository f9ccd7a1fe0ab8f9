/**
 * R12, how a starter gets the lease of its id: at once when nobody has it or its holder is dead,
 * after 10 s when it is frozen, not at all while it lives.
 *
 * What to do is decided in lease-rules.ts.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { Lease } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import type { KeyValue } from "../key-value.ts";
import { toCoded } from "./connect.ts";
import { decodeLease, leaseKey, probeControl } from "./lease-records.ts";
import { type ClaimSeen, decideClaim, type Holder, noteProbe } from "./lease-rules.ts";

/** One question to the control subject may take this long, ms. */
const PROBE_MS = 1000;
/** Between two looks, ms. */
const LOOK_MS = 100;
/** A start that is not decided by then fails, ms: 10 s of silence, and a lost KV leader's 9 s. */
const CLAIM_MS_MAX = 30_000;

/** A lease that was got. */
export interface Claimed {
  readonly control: Subscription;
  readonly revision: number;
  /** Before the write that got it, on the monotonic clock. */
  readonly startedMs: number;
}

/**
 * Gets the lease.
 *
 * @param open subscribes to the control subject: called before the lease is written, so that of two
 *   starters the slower finds the faster one answering.
 * @throws {CodedError} `GATEWAY_ID_IN_USE` saying who has it, `UNAVAILABLE`.
 */
export async function claimLease(
  connection: NatsConnection,
  keys: KeyValue,
  value: Lease,
  ttlMs: number,
  open: () => Subscription,
): Promise<Claimed> {
  const key = leaseKey(value.id);
  const bytes = Lease.encode(value).finish();
  const endMs = performance.now() + CLAIM_MS_MAX;
  let seen: ClaimSeen | null = null;
  let control: Subscription | null = null;
  let failure: unknown = null;
  try {
    while (performance.now() < endMs) {
      try {
        const entry = await keys.get(key);
        const present = entry === null ? null : decodeLease(entry.value);
        const holder = entry === null ? null : toHolder(present, entry.revision);
        const startedMs = performance.now();
        const step = decideClaim(seen, holder, value.incarnation, startedMs);
        if (step.do === "refuse") throw inUse(value.id, present, step.why);
        if (step.do === "probe" && holder !== null) {
          control?.unsubscribe(); // we would answer ourselves
          control = null;
          const said = await probeControl(connection, value.id, PROBE_MS);
          if (typeof said !== "string") throw inUse(value.id, present, "it answers");
          seen = noteProbe(seen, holder, said, startedMs);
          await sleep(LOOK_MS);
          continue;
        }
        if (control === null) {
          control = open();
          await connection.flush();
        }
        const revision = await write(keys, key, bytes, ttlMs, step);
        const claimed = { control, revision, startedMs };
        control = null;
        return claimed;
      } catch (error) {
        const { code } = toCoded(error);
        const isContested = code === "ETAG_MISMATCH" || code === "ALREADY_EXISTS";
        if (code !== "UNAVAILABLE" && !isContested) throw error;
        failure = error;
        await sleep(LOOK_MS);
      }
    }
  } finally {
    control?.unsubscribe();
  }
  const detail = `the lease of ${value.id} could not be got within ${CLAIM_MS_MAX / 1000} s`;
  throw new CodedError("UNAVAILABLE", detail, failure);
}

/** @returns the revision of the lease as it is ours. */
async function write(
  keys: KeyValue,
  key: string,
  bytes: Uint8Array,
  ttlMs: number,
  step: ReturnType<typeof decideClaim>,
): Promise<number> {
  switch (step.do) {
    case "take":
    case "adopt": // an own write whose answer was lost; written again, for a known time to live
      return keys.update(key, bytes, step.revision, ttlMs);
    default:
      return keys.create(key, bytes, ttlMs);
  }
}

/** A value that is no lease belongs to nobody that could answer. */
function toHolder(present: Lease | null, revision: number): Holder {
  return { incarnation: present?.incarnation ?? "", revision };
}

function inUse(id: string, holder: Lease | null, why: string): CodedError {
  const who = `pid ${holder?.pid ?? "?"} on ${holder?.host ?? "?"}`;
  const detail =
    `GATEWAY_ID ${id} is held by ${who}, and ${why}; ` +
    "stop that process, or start this one with another GATEWAY_ID";
  return new CodedError("GATEWAY_ID_IN_USE", detail);
}
