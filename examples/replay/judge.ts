/**
 * The verdict: what publishers got acknowledged, against what each consumer received.
 *
 * Pure. Nothing here asks the server or the SDKs how they fared. Acknowledged: exactly once.
 * Unknown (`OUTCOME_UNKNOWN`): at most once. Failed: never.
 */

/** What a publisher sent. */
export interface SentMessage {
  readonly room: string;
  readonly publisher: string;
  /** The how many-th of its publisher in its room, from 1. */
  readonly n: number;
  outcome: "acknowledged" | "unknown" | "failed";
  /** Milliseconds since 1970; 0 before the acknowledgement. */
  ackedAtMs: number;
}

/** What a consumer received, in that order. */
export interface ReceivedMessage {
  readonly room: string;
  readonly publisher: string;
  readonly n: number;
  /** When publish was called, milliseconds since 1970. */
  readonly sentAtMs: number;
  readonly gotAtMs: number;
}

/** A consumer's log. */
export interface ConsumerLog {
  readonly name: string;
  readonly received: readonly ReceivedMessage[];
  /** When it was connected anew, milliseconds since 1970, rising. */
  readonly openedAtMs: readonly number[];
  /** Rooms in which it was told of a gap, once for each. */
  readonly gaps: readonly string[];
}

/** How a consumer fared in one room. */
export interface RoomVerdict {
  readonly consumer: string;
  readonly room: string;
  readonly isDurable: boolean;
  /** Acknowledged publishes. */
  readonly expected: number;
  /** Different messages received, unknown ones included. */
  readonly received: number;
  /** Acknowledged and not received. */
  readonly missing: number;
  /** Received once more than once. */
  readonly doubled: number;
  /** Before an earlier one of its publisher, or in another order than the first consumer had. */
  readonly outOfOrder: number;
  /** Received though never published, or though its publish failed. */
  readonly unexpected: number;
  /** Acknowledged while the consumer was away, received after it was back. */
  readonly recovered: number;
  readonly gaps: number;
  /** From the call of publish to the consumer's loop, outages included; milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Judges every consumer in one room.
 *
 * @param sent of all publishers, in their order; other rooms are ignored.
 * @param logs the first one's order is the one that the others must have.
 */
export function judgeRoom(
  room: string,
  isDurable: boolean,
  sent: readonly SentMessage[],
  logs: readonly ConsumerLog[],
): RoomVerdict[] {
  const published = new Map<string, SentMessage>();
  for (const message of sent) if (message.room === room) published.set(keyOf(message), message);
  const firstOrder = new Map<string, number>();
  for (const message of logs[0]?.received ?? []) {
    const key = keyOf(message);
    if (message.room === room && !firstOrder.has(key)) firstOrder.set(key, firstOrder.size);
  }
  return logs.map((log) => judgeLog(room, isDurable, published, firstOrder, log));
}

/** Whether the room kept its promise: losses and gaps are allowed in ephemeral ones. */
export function isKept(verdict: RoomVerdict): boolean {
  const { expected, missing, doubled, outOfOrder, unexpected, gaps } = verdict;
  const isClean = expected > 0 && doubled === 0 && outOfOrder === 0 && unexpected === 0;
  return isClean && (!verdict.isDurable || (missing === 0 && gaps === 0));
}

/** The value below which this share of values lies; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function judgeLog(
  room: string,
  isDurable: boolean,
  published: ReadonlyMap<string, SentMessage>,
  firstOrder: ReadonlyMap<string, number>,
  log: ConsumerLog,
): RoomVerdict {
  const seen = new Set<string>();
  const newest = new Map<string, number>();
  const latenciesMs: number[] = [];
  let [doubled, outOfOrder, unexpected, recovered, newestRank] = [0, 0, 0, 0, -1];
  for (const message of log.received) {
    if (message.room !== room) continue;
    const key = keyOf(message);
    if (seen.has(key)) {
      doubled += 1;
      continue;
    }
    seen.add(key);
    latenciesMs.push(message.gotAtMs - message.sentAtMs);
    const origin = published.get(key);
    if (origin === undefined || origin.outcome === "failed") unexpected += 1;
    // An unknown one may come late: its publisher went on without it.
    if (origin?.outcome !== "acknowledged") continue;
    const rank = firstOrder.get(key) ?? newestRank;
    const isLate = message.n < (newest.get(message.publisher) ?? 0) || rank < newestRank;
    if (isLate) outOfOrder += 1;
    newest.set(message.publisher, Math.max(message.n, newest.get(message.publisher) ?? 0));
    newestRank = Math.max(rank, newestRank);
    if (wasAway(log, origin.ackedAtMs, message.gotAtMs)) recovered += 1;
  }
  const acknowledged = [...published.values()].filter((one) => one.outcome === "acknowledged");
  return {
    consumer: log.name,
    room,
    isDurable,
    expected: acknowledged.length,
    received: seen.size,
    missing: acknowledged.filter((one) => !seen.has(keyOf(one))).length,
    doubled,
    outOfOrder,
    unexpected,
    recovered,
    gaps: log.gaps.filter((name) => name === room).length,
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
  };
}

/** Whether the consumer was connected anew between the acknowledgement and the arrival. */
function wasAway(log: ConsumerLog, ackedAtMs: number, gotAtMs: number): boolean {
  return log.openedAtMs.some((openedAtMs) => ackedAtMs < openedAtMs && openedAtMs <= gotAtMs);
}

function keyOf({ publisher, n }: { readonly publisher: string; readonly n: number }): string {
  return `${publisher}/${n}`;
}
