/**
 * The checker: judges the history of a run against the promises of docs/guarantees.md.
 *
 * Pure. What publishers called and consumers saw is compared with what the store holds at the end;
 * nothing here asks a gateway or an SDK how it fared. Consumers are in check-consumer.ts, ephemeral
 * rooms in check-ephemeral.ts; here are the publishes and the sum of it all.
 */
import { checkConsumerRoom } from "./check-consumer.ts";
import { checkEphemeral } from "./check-ephemeral.ts";
import {
  comparePlaces,
  formatPlace,
  type History,
  nameKey,
  type Publish,
  type StoredMessage,
} from "./history.ts";
import type { Violation } from "./violation.ts";

/** Bounds that the promises state, microseconds. */
export interface CheckLimits {
  /** A stored message reaches every member within this, once nothing is broken any more. */
  readonly silenceUsMax: number;
  /** So long after its end a fault may still explain an OUTCOME_UNKNOWN: elections, retries. */
  readonly aftermathUs: number;
  /** Ephemeral losses are announced within this; null: not checked. */
  readonly announceUsMax: number | null;
}

/** The numbers of a run. */
export interface Counts {
  acked: number;
  unknown: number;
  failed: number;
  /** Messages handed to consumers, all together; ephemeral ones apart. */
  delivered: number;
  missing: number;
  doubled: number;
  reordered: number;
  /** Stored copies that no reader may show (R2). */
  void: number;
  ephemeralDelivered: number;
  ephemeralLost: number;
  /** Longest time from the call of publish to its ack, microseconds. */
  longestPublishUs: number;
  /** Longest time between two deliveries to a consumer, all rooms, microseconds. */
  longestPauseUs: number;
}

/** The judgement. */
export interface Verdict {
  readonly violations: readonly Violation[];
  readonly counts: Counts;
}

/** Promised bounds: 20 s of silence (R8), budgets of 20 s that a fault can use up, and 2 s. */
export const CHECK_LIMITS: CheckLimits = {
  silenceUsMax: 20_000_000,
  aftermathUs: 20_000_000,
  announceUsMax: 2_000_000,
};

/** Judges a run. */
export function checkHistory(history: History, limits: CheckLimits = CHECK_LIMITS): Verdict {
  const violations: Violation[] = [];
  const counts = countPublishes(history);
  const publishes = new Map(history.publishes.map((publish) => [nameKey(publish), publish]));
  const shown = history.stored.filter(({ isVoid }) => !isVoid);
  counts.void = history.stored.length - shown.length;
  violations.push(
    ...checkStored(shown, publishes),
    ...checkAcks(history, shown),
    ...checkProducerOrder(history, publishes),
    ...checkEnds(history, limits),
    ...history.deaths.map((text): Violation => ({ kind: "death", text })),
  );
  for (const room of history.durableRooms) {
    const ofRoom = shown.filter((message) => message.room === room);
    for (const consumer of history.consumers) {
      if (!consumer.rooms.includes(room)) continue;
      const found = checkConsumerRoom({
        room,
        consumer,
        stored: ofRoom,
        publishes,
        history,
        limits,
      });
      violations.push(...found.violations);
      counts.delivered += found.delivered;
      counts.missing += found.missing;
      counts.doubled += found.doubled;
      counts.reordered += found.reordered;
    }
  }
  for (const room of history.ephemeralRooms) {
    const found = checkEphemeral(room, history, limits);
    violations.push(...found.violations);
    counts.ephemeralDelivered += found.delivered;
    counts.ephemeralLost += found.lost;
  }
  counts.longestPauseUs = longestPause(history);
  return { violations, counts };
}

function countPublishes({ publishes, durableRooms }: History): Counts {
  const durable = publishes.filter(({ room }) => durableRooms.includes(room));
  const count = (outcome: Publish["outcome"]) =>
    durable.filter((publish) => publish.outcome === outcome).length;
  const waits = durable
    .filter(({ outcome }) => outcome === "acked")
    .map(({ invokedUs, endedUs }) => endedUs - invokedUs);
  return {
    acked: count("acked"),
    unknown: count("unknown"),
    failed: count("failed"),
    delivered: 0,
    missing: 0,
    doubled: 0,
    reordered: 0,
    void: 0,
    ephemeralDelivered: 0,
    ephemeralLost: 0,
    longestPublishUs: waits.reduce((most, wait) => Math.max(most, wait), 0),
    longestPauseUs: 0,
  };
}

/** Every stored message was published, did not fail, and is stored once. */
function checkStored(
  shown: readonly StoredMessage[],
  publishes: ReadonlyMap<string, Publish>,
): Violation[] {
  const violations: Violation[] = [];
  const first = new Map<string, StoredMessage>();
  for (const message of shown) {
    const key = nameKey(message);
    const publish = publishes.get(key);
    const at = formatPlace(message.place);
    if (publish === undefined || publish.outcome === "failed") {
      const why = publish === undefined ? "was never published" : `failed: ${publish.detail}`;
      violations.push({ kind: "unexpected", text: `${key} ${why}, and is stored at ${at}` });
    }
    const other = first.get(key);
    if (other === undefined) first.set(key, message);
    else {
      const text = `${key} is stored at ${formatPlace(other.place)} and at ${at}`;
      violations.push({ kind: "stored-twice", text });
    }
  }
  return violations;
}

/** Every acknowledged publish is stored where its ack says. */
function checkAcks(history: History, shown: readonly StoredMessage[]): Violation[] {
  const places = new Map<string, string[]>();
  for (const message of shown) {
    const key = nameKey(message);
    places.set(key, [...(places.get(key) ?? []), formatPlace(message.place)]);
  }
  const violations: Violation[] = [];
  for (const publish of history.publishes) {
    if (publish.outcome !== "acked" || publish.place === null) continue;
    const key = nameKey(publish);
    const said = formatPlace(publish.place);
    if (places.get(key)?.includes(said)) continue;
    const found = places.get(key)?.join(", ") ?? "nowhere";
    violations.push({ kind: "ack-lost", text: `${key} was acknowledged at ${said}; is ${found}` });
  }
  return violations;
}

/** A producer's acknowledged publishes are stored in the order of its calls. */
function checkProducerOrder(
  history: History,
  publishes: ReadonlyMap<string, Publish>,
): Violation[] {
  const violations: Violation[] = [];
  const last = new Map<string, StoredMessage>();
  const inOrder = history.stored
    .filter(({ isVoid }) => !isVoid)
    .toSorted((a, b) => comparePlaces(a.place, b.place));
  const counted = new Set<string>();
  for (const message of inOrder) {
    const key = nameKey(message);
    // A second copy is another violation.
    if (publishes.get(key)?.outcome !== "acked" || counted.has(key)) continue;
    counted.add(key);
    const lane = `${message.room}|${message.producer}`;
    const before = last.get(lane);
    if (before !== undefined && before.n > message.n) {
      const at = `${formatPlace(message.place)}, after ${before.n} at ${formatPlace(before.place)}`;
      violations.push({ kind: "producer-order", text: `${key} is stored at ${at}` });
    }
    if (before === undefined || before.n < message.n) last.set(lane, message);
  }
  return violations;
}

/** Every publish ended, and unknown ones had a reason. */
function checkEnds(history: History, { aftermathUs }: CheckLimits): Violation[] {
  const violations: Violation[] = [];
  const causes = history.faults.filter(({ mayCauseUnknown }) => mayCauseUnknown);
  for (const publish of history.publishes) {
    const key = nameKey(publish);
    if (publish.outcome === "open") {
      violations.push({ kind: "unanswered", text: `${key} has no answer` });
    }
    if (publish.outcome !== "unknown") continue;
    const isExplained = causes.some(
      ({ fromUs, toUs }) => fromUs <= publish.endedUs && toUs + aftermathUs >= publish.invokedUs,
    );
    if (!isExplained) {
      const seconds = ((publish.endedUs - publish.invokedUs) / 1e6).toFixed(1);
      const text = `${key} ended after ${seconds} s, with nothing broken: ${publish.detail}`;
      violations.push({ kind: "unknown-unexplained", text });
    }
  }
  return violations;
}

function longestPause({ consumers }: History): number {
  let longest = 0;
  for (const { events } of consumers) {
    let beforeUs = 0;
    for (const event of events) {
      if (event.type !== "message") continue;
      if (beforeUs > 0) longest = Math.max(longest, event.atUs - beforeUs);
      beforeUs = event.atUs;
    }
  }
  return longest;
}
