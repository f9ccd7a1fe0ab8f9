/**
 * One consumer in one durable room: everything stored reached it, once, in the store's order.
 *
 * Pure. A consumer is judged over its whole life, over gateways, clients and connections. A Gap
 * excuses what is missing at its place, but must itself have a reason.
 */
import type { CheckLimits } from "./check.ts";
import {
  type Consumer,
  type ConsumerEvent,
  comparePlaces,
  formatPlace,
  type History,
  nameKey,
  type Place,
  type Publish,
  type StoredMessage,
} from "./history.ts";
import { quietFrom } from "./spans.ts";
import type { Violation } from "./violation.ts";

/** What is judged. */
export interface ConsumerRoom {
  readonly room: string;
  readonly consumer: Consumer;
  /** Of this room, in order, void ones left out. */
  readonly stored: readonly StoredMessage[];
  readonly publishes: ReadonlyMap<string, Publish>;
  readonly history: History;
  readonly limits: CheckLimits;
}

/** What was found. */
export interface ConsumerFindings {
  readonly violations: readonly Violation[];
  readonly delivered: number;
  readonly missing: number;
  readonly doubled: number;
  readonly reordered: number;
}

type Delivery = Extract<ConsumerEvent, { type: "message" }>;

/** A stretch of places that a Gap says are lost: after `after`, before `before`. */
interface LostStretch {
  readonly after: Place | null;
  readonly before: Place | null;
}

/** Judges it. */
export function checkConsumerRoom(judged: ConsumerRoom): ConsumerFindings {
  const { room, consumer, stored } = judged;
  const events = consumer.events.filter((event) => event.room === room);
  const deliveries = events.filter((event) => event.type === "message");
  const sequence = checkSequence(judged, deliveries);
  const stretches = lostStretches(events);
  const got = new Map(deliveries.map((delivery) => [nameKey(delivery), delivery]));
  const violations = [...sequence.violations, ...checkGaps(judged, events)];
  let missing = 0;
  for (const message of stored) {
    const delivery = got.get(nameKey(message));
    if (delivery !== undefined) {
      violations.push(...checkLate(judged, message, delivery));
    } else if (isOwed(judged, events, message) && !isExcused(message.place, stretches)) {
      missing += 1;
      const at = formatPlace(message.place);
      violations.push(finding("missing", judged, `never got ${nameKey(message)} at ${at}`));
    }
  }
  return { ...sequence, violations, missing, delivered: deliveries.length };
}

/** Deliveries, one after the other: strictly rising places, each the store's own, none twice. */
function checkSequence(judged: ConsumerRoom, deliveries: readonly Delivery[]) {
  const violations: Violation[] = [];
  const places = new Map<string, Place[]>();
  for (const message of judged.stored) {
    const key = nameKey(message);
    places.set(key, [...(places.get(key) ?? []), message.place]);
  }
  const seen = new Set<string>();
  let [doubled, reordered] = [0, 0];
  let last: Place | null = null;
  for (const delivery of deliveries) {
    const key = nameKey(delivery);
    const { place } = delivery;
    if (place === null) {
      violations.push(finding("unexpected", judged, `got ${key} without a position`));
      continue;
    }
    const at = formatPlace(place);
    if (seen.has(key)) {
      doubled += 1;
      violations.push(finding("doubled", judged, `got ${key} again, at ${at}`));
    } else if (!places.get(key)?.some((known) => formatPlace(known) === at)) {
      violations.push(
        finding("unexpected", judged, `got ${key} at ${at}, where the store has not`),
      );
    }
    seen.add(key);
    if (last !== null && comparePlaces(last, place) >= 0) {
      reordered += 1;
      violations.push(
        finding("reordered", judged, `got ${key} at ${at} after ${formatPlace(last)}`),
      );
    }
    last = place;
  }
  return { violations, doubled, reordered };
}

/**
 * Owed: what was published since it joined, or comes after the position it joined with. Who moves
 * before it has met any message has no position to go on from, and begins anew.
 */
function isOwed(
  { publishes }: ConsumerRoom,
  events: readonly ConsumerEvent[],
  message: StoredMessage,
): boolean {
  const met = events.findIndex(({ type }) => type !== "joined");
  const joined = events.slice(0, met < 0 ? events.length : met).at(-1);
  if (joined?.type !== "joined") return false;
  if (joined.after !== null) return comparePlaces(message.place, joined.after) > 0;
  const publish = publishes.get(nameKey(message));
  return publish !== undefined && publish.invokedUs >= joined.atUs;
}

function lostStretches(events: readonly ConsumerEvent[]): LostStretch[] {
  const stretches: LostStretch[] = [];
  let after: Place | null = null;
  for (const [at, event] of events.entries()) {
    if (event.type === "message") after = event.place;
    if (event.type !== "gap") continue;
    const next = events.slice(at).find((later) => later.type === "message");
    stretches.push({ after, before: next?.place ?? null });
  }
  return stretches;
}

function isExcused(place: Place, stretches: readonly LostStretch[]): boolean {
  return stretches.some(
    ({ after, before }) =>
      (after === null || comparePlaces(place, after) > 0) &&
      (before === null || comparePlaces(place, before) < 0),
  );
}

/**
 * A Gap has a reason only when the consumer resumed by a position that is not in the history; and
 * then there must be one (R9).
 */
function checkGaps(judged: ConsumerRoom, events: readonly ConsumerEvent[]): Violation[] {
  const known = new Set(judged.stored.map(({ place }) => formatPlace(place)));
  const violations: Violation[] = [];
  let isLossDue = false;
  for (const event of events) {
    if (event.type === "joined") {
      isLossDue = event.after !== null && !known.has(formatPlace(event.after));
    } else if (event.type === "gap") {
      if (!isLossDue) violations.push(finding("gap-unexplained", judged, `Gap ${event.reason}`));
      isLossDue = false;
    } else if (isLossDue) {
      const text = `resumed after a position that is not in the history, and no Gap was told`;
      violations.push(finding("false-recovery", judged, text));
      isLossDue = false;
    }
  }
  return violations;
}

function checkLate(
  { consumer, publishes, history, limits }: ConsumerRoom,
  message: StoredMessage,
  delivery: Delivery,
): Violation[] {
  const ackedUs = publishes.get(nameKey(message))?.endedUs ?? 0;
  if (consumer.isSlow || delivery.atUs - ackedUs <= limits.silenceUsMax) return [];
  const broken = [...history.faults, ...consumer.absences];
  const dueUs = quietFrom(ackedUs, limits.silenceUsMax, broken) + limits.silenceUsMax;
  if (delivery.atUs <= dueUs) return [];
  const seconds = ((delivery.atUs - ackedUs) / 1e6).toFixed(1);
  const text = `${consumer.name} got ${nameKey(message)} ${seconds} s after its ack`;
  return [{ kind: "late", text }];
}

function finding(
  kind: Violation["kind"],
  { consumer, room }: ConsumerRoom,
  text: string,
): Violation {
  return { kind, text: `${consumer.name} in ${room}: ${text}` };
}
