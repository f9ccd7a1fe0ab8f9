/**
 * Ephemeral rooms: at most once, in each publisher's order, and losses are announced.
 *
 * Pure. A loss is announced by a Gap in its room, around its time. Not judged: what a dying gateway
 * took with it, and the first second of a membership, since a subscription is no barrier.
 */
import type { CheckLimits } from "./check.ts";
import {
  type Consumer,
  type ConsumerEvent,
  type FaultSpan,
  type History,
  type MessageName,
  nameKey,
  type Publish,
} from "./history.ts";
import { quietFrom } from "./spans.ts";
import type { Violation } from "./violation.ts";

/** A Gap or a join counts for what was published so long after it, microseconds. */
const SETTLE_US = 1_000_000;
/** Times are those of a busy machine: announced this much later is still in time, microseconds. */
const TOLERANCE_US = 2_000_000;
/** Who had traffic from a dead gateway in this time gets a Gap of unknown size, microseconds. */
const DEATH_US = 2_000_000;

/** What was found in a room. */
export interface EphemeralFindings {
  readonly violations: readonly Violation[];
  readonly delivered: number;
  /** Passed on by a gateway, and not delivered to a consumer that was joined. */
  readonly lost: number;
}

/** Judges every consumer of an ephemeral room. */
export function checkEphemeral(
  room: string,
  history: History,
  limits: CheckLimits,
): EphemeralFindings {
  const published = history.publishes.filter((publish) => publish.room === room);
  const violations: Violation[] = [];
  let [delivered, lost] = [0, 0];
  for (const consumer of history.consumers) {
    if (!consumer.rooms.includes(room)) continue;
    const events = consumer.events.filter((event) => event.room === room);
    const got = checkOrder(consumer, events, history, violations);
    delivered += got.size;
    for (const publish of lostOnes(published, events, got)) {
      lost += 1;
      if (limits.announceUsMax === null) continue;
      if (history.faults.some((fault) => isDeathAround(fault, publish))) continue;
      if (isAnnounced(publish, consumer, events, history.faults, limits.announceUsMax)) continue;
      const text = `${consumer.name} lost ${nameKey(publish)}, and no Gap came in time`;
      violations.push({ kind: "loss-unannounced", text });
    }
  }
  return { violations, delivered, lost };
}

/** Each producer's numbers only rise, as long as it keeps its connection; none comes twice. */
function checkOrder(
  consumer: Consumer,
  events: readonly ConsumerEvent[],
  history: History,
  violations: Violation[],
): Set<string> {
  const calls = new Map(history.publishes.map((publish) => [nameKey(publish), publish.invokedUs]));
  const last = new Map<string, number>();
  const got = new Set<string>();
  for (const event of events) {
    if (event.type !== "message") continue;
    const key = nameKey(event);
    const before = last.get(event.producer) ?? 0;
    if (got.has(key))
      violations.push({ kind: "doubled", text: `${consumer.name} got ${key} again` });
    else if (event.n < before && !isOverBreak(event, before, calls, history)) {
      const text = `${consumer.name} got ${key} after ${before}`;
      violations.push({ kind: "reordered", text });
    }
    got.add(key);
    last.set(event.producer, Math.max(before, event.n));
  }
  return got;
}

/**
 * Whether the producer lost its connection between the calls of two publishes: then they may have
 * gone through different gateways, which keep no order between them.
 */
function isOverBreak(
  event: MessageName,
  laterN: number,
  calls: ReadonlyMap<string, number>,
  { producerAbsences }: History,
): boolean {
  const fromUs = calls.get(nameKey(event)) ?? 0;
  const toUs = calls.get(nameKey({ ...event, n: laterN })) ?? 0;
  const absences = producerAbsences[event.producer] ?? [];
  return absences.some((absence) => absence.fromUs <= toUs && absence.toUs >= fromUs);
}

function lostOnes(
  published: readonly Publish[],
  events: readonly ConsumerEvent[],
  got: ReadonlySet<string>,
): Publish[] {
  const joined = events.find((event) => event.type === "joined");
  if (joined === undefined) return [];
  return published.filter(
    (publish) =>
      publish.outcome === "acked" &&
      publish.invokedUs >= joined.atUs + SETTLE_US &&
      !got.has(nameKey(publish)),
  );
}

function isDeathAround({ isGatewayDeath, fromUs }: FaultSpan, publish: Publish): boolean {
  return (
    isGatewayDeath && fromUs >= publish.invokedUs - DEATH_US && fromUs <= publish.endedUs + DEATH_US
  );
}

function isAnnounced(
  publish: Publish,
  consumer: Consumer,
  events: readonly ConsumerEvent[],
  faults: readonly FaultSpan[],
  announceUsMax: number,
): boolean {
  const broken = [...faults, ...consumer.absences];
  const dueUs = quietFrom(publish.endedUs, announceUsMax, broken) + announceUsMax + TOLERANCE_US;
  return events.some(
    ({ type, atUs }) => type === "gap" && atUs >= publish.invokedUs - SETTLE_US && atUs <= dueUs,
  );
}
