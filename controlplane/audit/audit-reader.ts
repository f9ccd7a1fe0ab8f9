/**
 * Reads the audit log, newest first: day by day, for a day is what one read of the bus gives.
 *
 * A day without entries costs one empty read, so they are read some at once; a page ends as soon as
 * it is full.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { AuditEntry } from "../../proto/gen/tidegate/control/v1/audit.ts";
import { dayPrefix } from "./audit-entry.ts";
import { AUDIT_RETENTION_MS } from "./audit-log.ts";

/** Days read at once: a quarter is read in 12 rounds. */
const DAYS_AT_ONCE = 8;
const dayMs = 24 * 3600 * 1000;
/** Clocks of control planes may differ by a second: a day more on both sides does no harm. */
const marginMs = dayMs;

/** Which entries are wanted; all that is given must fit. */
export interface AuditFilter {
  /** A resource and what is below it; empty: any. */
  readonly resource: string;
  readonly principal: string;
  /** Full name, or the method alone. */
  readonly method: string;
  /** From, ms since 1970-01-01 UTC; null: from the oldest. */
  readonly startMs: number | null;
  /** Before, likewise; null: to the newest. */
  readonly endMs: number | null;
  readonly refusedOnly: boolean;
}

/**
 * Up to `count` entries that fit, newest first.
 *
 * @param beforeId only older ones than this id; null: from the newest.
 * @throws {CodedError} `UNAVAILABLE`.
 */
export async function readAudit(
  keys: KeyValue,
  filter: AuditFilter,
  beforeId: string | null,
  count: number,
  nowMs: number,
): Promise<AuditEntry[]> {
  const newestMs = Math.min(filter.endMs ?? Number.POSITIVE_INFINITY, nowMs) + marginMs;
  const startMs = beforeId === null ? newestMs : Math.min(newestMs, Number(beforeId.slice(0, 13)));
  const oldestMs = Math.max(filter.startMs ?? 0, nowMs - AUDIT_RETENTION_MS) - marginMs;
  const found: AuditEntry[] = [];
  let dayAtMs = startMs;
  while (found.length < count && dayAtMs > oldestMs - dayMs) {
    const days = Array.from({ length: DAYS_AT_ONCE }, (_, i) => dayAtMs - i * dayMs);
    const lists = await Promise.all(
      days.filter((ms) => ms > oldestMs - dayMs).map((ms) => keys.list(dayPrefix(ms))),
    );
    for (const entries of lists) {
      for (const { value } of entries.toReversed()) {
        const entry = AuditEntry.decode(value);
        if (beforeId !== null && idOf(entry) >= beforeId) continue;
        if (fits(entry, filter)) found.push(entry);
      }
    }
    dayAtMs -= DAYS_AT_ONCE * dayMs;
  }
  return found.slice(0, count);
}

/** The id of an entry. */
export function idOf(entry: AuditEntry): string {
  return entry.name.slice("auditEntries/".length);
}

/** Whether an entry is one of those that are wanted. */
export function fits(entry: AuditEntry, filter: AuditFilter): boolean {
  const { resource, principal, method, startMs, endMs, refusedOnly } = filter;
  const timeMs = entry.time?.getTime() ?? 0;
  if (startMs !== null && timeMs < startMs) return false;
  if (endMs !== null && timeMs >= endMs) return false;
  if (refusedOnly && entry.outcome === "OK") return false;
  if (principal !== "" && entry.principal !== principal) return false;
  if (method !== "" && entry.method !== method && !entry.method.endsWith(`/${method}`))
    return false;
  if (resource === "") return true;
  return entry.resource === resource || entry.resource.startsWith(`${resource}/`);
}
