/**
 * A user's memberships of a room, put together from the records of their steps and from what
 * gateways say now.
 *
 * Pure. A membership begins with a record "joined" of a connection, and ends with "left", with
 * "closed", or without a word: then the gateway is gone, or the record was dropped.
 */
import type { JournalEntry } from "../../bus/journal.ts";
import type { Position } from "../../bus/position.ts";
import { MembershipState } from "../../proto/gen/tidegate/bus/v1/gateway_question.ts";
import type { JournalJoined } from "../../proto/gen/tidegate/bus/v1/journal.ts";
import type { Position as WirePosition } from "../../proto/gen/tidegate/client/v1/message.ts";
import { ExplainEnd } from "../../proto/gen/tidegate/control/v1/explain.ts";
import type { ExplainFacts, GatewayFacts, Sign } from "./facts.ts";

/** A gap that a member was told of. */
export interface ToldGap {
  readonly timeUs: number;
  readonly reason: number;
  readonly missedCount: number;
  readonly after: Position | null;
  /** Inclusive; null: not known. */
  readonly until: Position | null;
}

/** One membership; see the file's header. */
export interface Membership {
  readonly connection: string;
  readonly gateway: string;
  /** 0: it lasts, and no record says since when. */
  readonly joinedUs: number;
  /** What the record says; null as above. */
  readonly joined: JournalJoined | null;
  readonly from: Position | null;
  /** What was handed to its socket at the end, or now; null: nothing, or not known. */
  through: Position | null;
  end: ExplainEnd;
  /** When it ended; of a lost gateway its last sign of life; null while it lasts. */
  endUs: number | null;
  endReason: string;
  /** What it gets now; UNSPECIFIED when it has ended. */
  state: MembershipState;
  readonly gaps: ToldGap[];
}

/** By time. */
export function buildMemberships(facts: ExplainFacts): Membership[] {
  const all: Membership[] = [];
  const open = new Map<string, Membership>();
  for (const entry of facts.entries) apply(entry, facts, all, open);
  for (const membership of open.values()) settle(membership, facts);
  addUnrecorded(facts, all);
  for (const membership of all) addRoomGaps(membership, facts);
  return all;
}

/** A position of a record; null for none. */
export function fromWire(wire: WirePosition | undefined): Position | null {
  if (wire === undefined) return null;
  return { epoch: wire.epoch, seq: Number(wire.seq), timeUs: Number(wire.timeUs) };
}

function apply(
  { process, record }: JournalEntry,
  facts: ExplainFacts,
  all: Membership[],
  open: Map<string, Membership>,
): void {
  const { what, connection, room } = record;
  const timeUs = Number(record.timeUs);
  const present = open.get(connection);
  if (what?.$case === "opened" && present !== undefined) {
    settle(present, facts, timeUs); // the same number again: its gateway has begun anew
    open.delete(connection);
  } else if (what?.$case === "joined" && room === facts.room) {
    if (present !== undefined) settle(present, facts, timeUs);
    const membership = newMembership(connection, process, timeUs, what.value);
    all.push(membership);
    open.set(connection, membership);
  } else if (what?.$case === "left" && room === facts.room && present !== undefined) {
    end(present, ExplainEnd.LEFT, timeUs, what.value.code, fromWire(what.value.through));
    open.delete(connection);
  } else if (what?.$case === "closed" && present !== undefined) {
    const place = what.value.places.find((each) => each.room === facts.room);
    if (place === undefined && what.value.places.length > 0) return; // in another part of it
    const through = fromWire(place?.through);
    end(present, ExplainEnd.CLOSED, timeUs, String(what.value.code), through);
    open.delete(connection);
  } else if (what?.$case === "gap" && room === facts.room && present !== undefined) {
    const { reason, missedCount, after, until } = what.value;
    const range = { after: fromWire(after), until: fromWire(until) };
    present.gaps.push({ timeUs, reason, missedCount: Number(missedCount), ...range });
  }
}

function newMembership(
  connection: string,
  gateway: string,
  joinedUs: number,
  joined: JournalJoined | null,
): Membership {
  return {
    ...{ connection, gateway, joinedUs, joined, from: fromWire(joined?.from), through: null },
    ...{ end: ExplainEnd.NONE, endUs: null, endReason: "", gaps: [] },
    state: MembershipState.UNSPECIFIED,
  };
}

function end(
  membership: Membership,
  how: ExplainEnd,
  timeUs: number | null,
  reason: string,
  through: Position | null,
): void {
  membership.end = how;
  membership.endUs = timeUs;
  membership.endReason = reason;
  membership.through = through;
}

/**
 * A membership without a record of its end.
 *
 * @param beforeUs it has ended before this; Infinity: it may last.
 */
function settle(
  membership: Membership,
  { gateways, signs }: ExplainFacts,
  beforeUs = Number.POSITIVE_INFINITY,
): void {
  const gateway = gateways.get(membership.gateway);
  const isSame = gateway !== undefined && gateway.startedUs <= membership.joinedUs;
  if (isSame && beforeUs === Number.POSITIVE_INFINITY) {
    if (!isLive(membership, gateway)) end(membership, ExplainEnd.UNKNOWN, null, "", null);
    return;
  }
  const lastUs = lastSignUs(membership, signs.get(membership.gateway) ?? [], beforeUs);
  const how = isSame ? ExplainEnd.UNKNOWN : ExplainEnd.GATEWAY_LOST;
  end(membership, how, lastUs, "", null);
}

/** Whether the gateway says that it lasts; fills in what it says. */
function isLive(membership: Membership, { connections }: GatewayFacts): boolean {
  const found = connections?.find(({ connection }) => connection === membership.connection);
  if (found?.membership === undefined) return false;
  membership.state = found.membership.state;
  membership.through = fromWire(found.membership.through);
  return true;
}

/** When the gateway of that life was last heard of. */
function lastSignUs({ joinedUs }: Membership, signs: readonly Sign[], beforeUs: number): number {
  let lastUs = joinedUs;
  for (const { timeUs, isStart } of signs) {
    if (timeUs <= joinedUs) continue;
    if (isStart || timeUs >= beforeUs) break;
    lastUs = timeUs;
  }
  return lastUs;
}

/** Members of whom no record is left: they joined before the journal begins, or it was dropped. */
function addUnrecorded({ gateways }: ExplainFacts, all: Membership[]): void {
  for (const [gateway, facts] of gateways) {
    for (const { connection, membership } of facts.connections ?? []) {
      if (membership === undefined || membership.state === MembershipState.JOINING) continue;
      const isKnown = all.some((each) => {
        return each.connection === connection && each.end === ExplainEnd.NONE;
      });
      if (isKnown) continue;
      const added = newMembership(connection, gateway, 0, null);
      isLive(added, facts);
      all.push(added);
    }
  }
}

function addRoomGaps(membership: Membership, { roomGaps }: ExplainFacts): void {
  for (const { process, record } of roomGaps) {
    const timeUs = Number(record.timeUs);
    if (record.what?.$case !== "gap" || process !== membership.gateway) continue;
    if (timeUs < membership.joinedUs || timeUs > (membership.endUs ?? timeUs)) continue;
    const { reason, missedCount, after, until } = record.what.value;
    const range = { after: fromWire(after), until: fromWire(until) };
    membership.gaps.push({ timeUs, reason, missedCount: Number(missedCount), ...range });
  }
}
