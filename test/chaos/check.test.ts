/**
 * The checker, with hand-made histories: a faultless one passes, and each broken promise is found
 * for what it is.
 */
import { expect, test } from "vitest";
import { CHECK_LIMITS, checkHistory } from "./check.ts";
import {
  type Consumer,
  type ConsumerEvent,
  type FaultSpan,
  type History,
  type Place,
  type Publish,
  parsePlace,
  type StoredMessage,
} from "./history.ts";
import type { ViolationKind } from "./violation.ts";

const room = "chaos:a";
const live = "live:a";
const second = 1_000_000;

/** The n-th message of the room is stored at 1.<10 n>, at its second. */
function placeOf(n: number): Place {
  return { epoch: 1, seq: n * 10, timeUs: n * second };
}

function published(n: number, change: Partial<Publish> = {}): Publish {
  const name = { room, producer: "p", n };
  const times = { invokedUs: n * second, endedUs: n * second + 1000 };
  return {
    ...name,
    ...times,
    outcome: "acked",
    place: placeOf(n),
    code: "",
    detail: "",
    ...change,
  };
}

function stored(n: number, change: Partial<StoredMessage> = {}): StoredMessage {
  return { room, producer: "p", n, place: placeOf(n), isVoid: false, ...change };
}

function got(n: number, change: object = {}): ConsumerEvent {
  const place = placeOf(n);
  return { type: "message", room, atUs: n * second + 2000, producer: "p", n, place, ...change };
}

function joined(change: object = {}): ConsumerEvent {
  return { type: "joined", room, atUs: 0, after: null, ...change };
}

function gap(change: object = {}): ConsumerEvent {
  return { type: "gap", room, atUs: 0, reason: "RETENTION", missedCount: 0, ...change };
}

function consumer(...events: ConsumerEvent[]): Consumer {
  return {
    name: "c",
    rooms: [room, live],
    events: [joined(), ...events],
    absences: [],
    isSlow: false,
  };
}

function fault(change: Partial<FaultSpan> = {}): FaultSpan {
  const times = { fromUs: 0, toUs: second };
  return {
    name: "f",
    target: "t",
    ...times,
    mayCauseUnknown: true,
    isGatewayDeath: false,
    ...change,
  };
}

/** Three messages, published, stored and seen. */
function history(change: Partial<History> = {}): History {
  return {
    durableRooms: [room],
    ephemeralRooms: [live],
    publishes: [published(1), published(2), published(3)],
    producerAbsences: {},
    consumers: [consumer(got(1), got(2), got(3))],
    stored: [stored(1), stored(2), stored(3)],
    faults: [],
    deaths: [],
    ...change,
  };
}

function kindsOf(judged: History, limits = CHECK_LIMITS): ViolationKind[] {
  return checkHistory(judged, limits).violations.map(({ kind }) => kind);
}

test("check: a faultless history has no violation, and its messages are counted", () => {
  const verdict = checkHistory(history());
  expect(verdict.violations).toEqual([]);
  expect(verdict.counts).toMatchObject({ acked: 3, delivered: 3, missing: 0, unknown: 0 });
});

test("check: a stored message that did not reach a consumer is missing", () => {
  expect(kindsOf(history({ consumers: [consumer(got(1), got(3))] }))).toEqual(["missing"]);
  expect(kindsOf(history({ consumers: [consumer(got(1), got(2))] }))).toEqual(["missing"]);
  const other = { ...consumer(got(1), got(2), got(3)), name: "d" };
  const both = [other, consumer(got(2), got(3))];
  expect(kindsOf(history({ consumers: both }))).toEqual(["missing"]);
});

test("check: a message of an unknown publish is owed too, once it is stored", () => {
  const unknown = published(2, { outcome: "unknown", place: null });
  const publishes = [published(1), unknown, published(3)];
  const faults = [fault({ toUs: 9 * second })];
  expect(kindsOf(history({ publishes, faults }))).toEqual([]);
  const without = [consumer(got(1), got(3))];
  expect(kindsOf(history({ publishes, faults, consumers: without }))).toEqual(["missing"]);
  const notStored = { stored: [stored(1), stored(3)], consumers: without };
  expect(kindsOf(history({ publishes, faults, ...notStored }))).toEqual([]);
});

test("check: what was published before a consumer joined is not owed", () => {
  const late = { ...consumer(), events: [joined({ atUs: 1.5 * second }), got(2), got(3)] };
  expect(kindsOf(history({ consumers: [late] }))).toEqual([]);
});

// A run showed it: who leaves an empty room and comes again has no position to resume from.
test("check: what was published between two joins of an empty room is not owed", () => {
  const again = {
    ...consumer(),
    events: [joined(), joined({ atUs: 1.5 * second }), got(2), got(3)],
  };
  expect(kindsOf(history({ consumers: [again] }))).toEqual([]);
  const owed = { ...again, events: [joined(), joined({ atUs: 1.5 * second }), got(3)] };
  expect(kindsOf(history({ consumers: [owed] }))).toEqual(["missing"]);
});

test("check: a message seen twice is doubled, also when the store has two copies", () => {
  const again = consumer(got(1), got(2), got(2), got(3));
  expect(kindsOf(history({ consumers: [again] }))).toEqual(["doubled", "reordered"]);
  const copy = { place: parsePlace("1.35.3000000") ?? placeOf(9) };
  const twice = history({
    stored: [stored(1), stored(2), stored(3), stored(2, copy)],
    consumers: [consumer(got(1), got(2), got(3), got(2, copy))],
  });
  expect(kindsOf(twice)).toEqual(["stored-twice", "doubled"]);
});

test("check: a void copy is fine while nobody sees it", () => {
  const copy = { place: parsePlace("1.35.40000000") ?? placeOf(9), isVoid: true };
  const all = [stored(1), stored(2), stored(3), stored(2, copy)];
  const fine = checkHistory(history({ stored: all }));
  expect(fine.violations).toEqual([]);
  expect(fine.counts.void).toBe(1);
  const shown = [consumer(got(1), got(2), got(3), got(2, copy))];
  expect(kindsOf(history({ stored: all, consumers: shown }))).toEqual(["doubled"]);
});

test("check: positions that do not rise are a reordering", () => {
  const consumers = [consumer(got(2), got(1), got(3))];
  expect(kindsOf(history({ consumers }))).toEqual(["reordered"]);
});

test("check: a message at another position than the store's is unexpected", () => {
  const consumers = [consumer(got(1), got(2, { place: parsePlace("1.21.2000000") }), got(3))];
  expect(kindsOf(history({ consumers }))).toEqual(["unexpected"]);
});

test("check: a failed publish, or one that never was, must not be stored", () => {
  const failed = published(2, { outcome: "failed", code: "UNAVAILABLE", place: null });
  const publishes = [published(1), failed, published(3)];
  expect(kindsOf(history({ publishes }))).toEqual(["unexpected"]);
  expect(kindsOf(history({ publishes: [published(1), published(3)] }))).toEqual(["unexpected"]);
});

test("check: an acknowledged publish that is not stored, or elsewhere, is a lost ack", () => {
  const gone = { stored: [stored(1), stored(3)], consumers: [consumer(got(1), got(3))] };
  expect(kindsOf(history(gone))).toEqual(["ack-lost"]);
  const elsewhere = [published(1), published(2, { place: placeOf(7) }), published(3)];
  expect(kindsOf(history({ publishes: elsewhere }))).toEqual(["ack-lost"]);
});

test("check: acknowledged publishes stored in another order than published", () => {
  const swapped = (n: number) => ({ place: placeOf(n) });
  const wrong = history({
    publishes: [published(1), published(2, swapped(3)), published(3, swapped(2))],
    stored: [stored(1), stored(3, swapped(2)), stored(2, swapped(3))],
    consumers: [consumer(got(1), got(3, swapped(2)), got(2, swapped(3)))],
  });
  expect(kindsOf(wrong)).toEqual(["producer-order"]);
});

test("check: a publish without an answer, and an unknown one without a cause", () => {
  const open = published(3, { outcome: "open", endedUs: 0, place: null });
  expect(kindsOf(history({ publishes: [published(1), published(2), open] }))).toEqual([
    "unanswered",
  ]);
  const unknown = published(3, { outcome: "unknown", place: null });
  const publishes = [published(1), published(2), unknown];
  expect(kindsOf(history({ publishes }))).toEqual(["unknown-unexplained"]);
  expect(kindsOf(history({ publishes, faults: [fault()] }))).toEqual([]);
  const harmless = [fault({ mayCauseUnknown: false })];
  expect(kindsOf(history({ publishes, faults: harmless }))).toEqual(["unknown-unexplained"]);
  const longAgo = [fault({ fromUs: -90 * second, toUs: -80 * second })];
  expect(kindsOf(history({ publishes, faults: longAgo }))).toEqual(["unknown-unexplained"]);
});

test("check: a Gap needs a reason, excuses its place, and must come when one is due", () => {
  const told = [consumer(got(1), gap(), got(3))];
  expect(kindsOf(history({ consumers: told }))).toEqual(["gap-unexplained"]);
  const elsewhere = parsePlace("1.15.15") ?? placeOf(9);
  const events = [joined({ after: elsewhere }), gap(), got(3)];
  const resumed = { ...consumer(), events: [joined(), got(1), ...events] };
  expect(kindsOf(history({ consumers: [resumed] }))).toEqual([]);
  const untold = { ...consumer(), events: resumed.events.filter(({ type }) => type !== "gap") };
  expect(kindsOf(history({ consumers: [untold] }))).toEqual(["false-recovery", "missing"]);
  const exact = [joined({ after: placeOf(1) }), got(2), got(3)];
  const whole = { ...consumer(), events: [joined(), got(1), ...exact] };
  expect(kindsOf(history({ consumers: [whole] }))).toEqual([]);
});

test("check: a message later than the stated silence is late, unless something was broken", () => {
  const late = { atUs: 40 * second };
  const consumers = [consumer(got(1), got(2), got(3, late))];
  expect(kindsOf(history({ consumers }))).toEqual(["late"]);
  const broken = [fault({ fromUs: 10 * second, toUs: 30 * second })];
  expect(kindsOf(history({ consumers, faults: broken }))).toEqual([]);
  const away = { ...consumer(got(1), got(2), got(3, late)) };
  expect(kindsOf(history({ consumers: [{ ...away, isSlow: true }] }))).toEqual([]);
  const absences = [{ fromUs: 4 * second, toUs: 39 * second }];
  expect(kindsOf(history({ consumers: [{ ...away, absences }] }))).toEqual([]);
});

test("check: a process that ended by itself", () => {
  expect(kindsOf(history({ deaths: ["g0 ended by itself with 1"] }))).toEqual(["death"]);
});

test("check: an ephemeral room loses, but in order, once, and not in silence", () => {
  const unchecked = { ...CHECK_LIMITS, announceUsMax: null };
  const flow = (...events: ConsumerEvent[]) =>
    history({
      durableRooms: [],
      publishes: [3, 4, 5].map((n) => published(n, { room: live, place: null })),
      stored: [],
      consumers: [{ ...consumer(), events: [joined({ room: live }), ...events] }],
    });
  const heard = (n: number) => got(n, { room: live, place: null });
  expect(kindsOf(flow(heard(3), heard(4), heard(5)))).toEqual([]);
  expect(kindsOf(flow(heard(3), heard(5), heard(4)))).toEqual(["reordered"]);
  const producerAbsences = { p: [{ fromUs: 4.1 * second, toUs: 4.2 * second }] };
  const overBreak = { ...flow(heard(3), heard(5), heard(4)), producerAbsences };
  expect(kindsOf(overBreak)).toEqual([]);
  expect(kindsOf(flow(heard(3), heard(4), heard(4), heard(5)))).toEqual(["doubled"]);
  const lossy = flow(heard(3), heard(5));
  expect(kindsOf(lossy, unchecked)).toEqual([]);
  expect(checkHistory(lossy).counts.ephemeralLost).toBe(1);
  expect(kindsOf(lossy)).toEqual(["loss-unannounced"]);
  const told = gap({ room: live, reason: "EPHEMERAL", atUs: 5 * second });
  expect(kindsOf(flow(heard(3), told, heard(5)))).toEqual([]);
  const tooLate = gap({ room: live, reason: "EPHEMERAL", atUs: 60 * second });
  expect(kindsOf(flow(heard(3), tooLate, heard(5)))).toEqual(["loss-unannounced"]);
  const death = [fault({ fromUs: 4 * second, isGatewayDeath: true })];
  expect(kindsOf({ ...lossy, faults: death })).toEqual([]);
});
