/**
 * Leases as they lie on the bus KV, and the control subject of a process: for whoever has to know
 * which processes publish.
 */
import { type NatsConnection, RequestError, TimeoutError } from "@nats-io/transport-node";
import { ControlAnswer, Lease } from "../../proto/gen/tidegate/bus/v1/lease.ts";
import type { KeyValue } from "../key-value.ts";
import { toCoded } from "./connect.ts";
import type { NatsKeyValue } from "./key-value.ts";

/** Bus KV bucket of leases. */
export const LEASE_BUCKET = "leases";
const prefix = "gateway.";

/** Key of a process's lease, whatever it runs. */
export function leaseKey(id: string): string {
  return prefix + id;
}

/** Any request to it is answered by the process of that id, while it lives. */
export function controlSubject(id: string): string {
  return `tg.ctl.${id}`;
}

/** A lease as it stands. */
export interface LeaseEntry {
  readonly lease: Lease;
  readonly revision: number;
}

/** Receives the present leases, then `onSynced` once, then changes. */
export interface LeaseWatcher {
  /** In the order of revisions for each id; null: it was given back, or has expired. */
  onLease(id: string, entry: LeaseEntry | null): void;
  onSynced(): void;
}

/**
 * Watches all leases. They all expire together when the KV comes back after an outage longer than
 * their time to live: whoever acts on an expiry waits some seconds first.
 *
 * @returns ends the watch.
 * @throws {CodedError} `UNAVAILABLE`.
 */
export function watchLeases(keys: KeyValue, watcher: LeaseWatcher): Promise<() => void> {
  return keys.watch(prefix, {
    onChange: ({ key, value, revision }) => {
      const id = key.slice(prefix.length);
      const lease = value === null ? null : decodeLease(value);
      watcher.onLease(id, lease === null ? null : { lease, revision });
    },
    onSynced: () => watcher.onSynced(),
  });
}

/** All leases now, by id. Throws `UNAVAILABLE`. */
export async function listLeases(keys: KeyValue): Promise<LeaseEntry[]> {
  const entries = await keys.list(prefix);
  return entries.flatMap(({ value, revision }) => {
    const lease = decodeLease(value);
    return lease === null ? [] : [{ lease, revision }];
  });
}

/** A lease, and when it was written last. */
export interface TimedLease extends LeaseEntry {
  /** By the server's clock, microseconds since 1970-01-01 UTC. */
  readonly writtenUs: number;
}

/** All leases now, by id, with their last renewal. Throws `UNAVAILABLE`. */
export async function listTimedLeases(keys: NatsKeyValue): Promise<TimedLease[]> {
  const entries = await keys.listTimed(prefix);
  return entries.flatMap(({ value, revision, writtenUs }) => {
    const lease = decodeLease(value);
    return lease === null ? [] : [{ lease, revision, writtenUs }];
  });
}

/** The lease in a value, or null when it is none: somebody else wrote there. */
export function decodeLease(value: Uint8Array): Lease | null {
  try {
    const lease = Lease.decode(value);
    return lease.incarnation === "" ? null : lease;
  } catch {
    return null; // no protobuf at all
  }
}

/** What a control subject said: who is there, "silent", or "absent" when nobody listens. */
export type ControlProbe = ControlAnswer | "silent" | "absent";

/**
 * Asks whether the process of an id lives. "absent" may be a process that reconnects right now.
 *
 * @param timeoutMs then it is "silent".
 * @throws {CodedError} `UNAVAILABLE`: our own connection failed.
 */
export async function probeControl(
  connection: NatsConnection,
  id: string,
  timeoutMs: number,
): Promise<ControlProbe> {
  try {
    const answer = await connection.request(controlSubject(id), "", { timeout: timeoutMs });
    return decodeAnswer(answer.data);
  } catch (error) {
    if (error instanceof RequestError && error.isNoResponders()) return "absent";
    const cause = error instanceof Error ? error.cause : null;
    if (error instanceof TimeoutError || cause instanceof TimeoutError) return "silent";
    throw toCoded(error);
  }
}

/** Whatever it says, somebody answers. */
function decodeAnswer(data: Uint8Array): ControlAnswer {
  try {
    return ControlAnswer.decode(data);
  } catch {
    return { incarnation: "", host: "unknown", pid: 0 }; // not one of ours, and alive
  }
}
