/**
 * One client connection and its memberships, as plain data of fixed shape.
 *
 * Kept small: an idle joined connection costs little more than uWebSockets.js itself needs. Sending
 * goes through `sendFrame` alone, because a socket past its limit must leave the fast lane first.
 */
import type { WebSocket } from "uWebSockets.js";
import type { Position } from "../bus/position.ts";
import type { ClientProfile } from "../proto/client-context.ts";
import type { ErrorCode } from "../proto/coded-error.ts";
import type { Gate } from "../proto/gates/compile-gate.ts";
import type { Identity } from "./identity.ts";
import { LimitError } from "./limit-error.ts";
import type { LocalRoom } from "./local-room.ts";
import { tickUs } from "./metrics/client-meter.ts";
import type { ConnectionRates } from "./rates/rates.ts";
import type { ConnectionSeats } from "./seats/connection-seats.ts";

/**
 * What uWebSockets.js keeps for a socket. It copies the fields of what it is given to an object of
 * its own, which turns into a hash table of 1 kB when they are many: so it has one.
 */
export interface SocketData {
  readonly connection: Connection;
}

/** The socket of a connection. */
export type Socket = WebSocket<SocketData>;

/** Where a connection is in its life. */
export const Phase = { GREETING: 0, VERIFYING: 1, OPEN: 2, CLOSED: 3 } as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export interface Connection {
  /** Counts connections of this gateway; with the gateway's id it is the connection id. */
  readonly number: number;
  /** Null before open and after close. */
  socket: Socket | null;
  phase: Phase;
  /** Null before Welcome. */
  identity: Identity | null;
  /** What the client says of itself; null before Welcome. One object for all that say the same. */
  profile: ClientProfile | null;
  /** Producer hash as latin1, empty without a producer key. */
  producer: string;
  /** The version gate that it was told of; null for none. */
  gate: Gate | null;
  /** A version gate lets it read only. */
  isReadOnly: boolean;
  /** Number of the flags' state that it was told of; 0: it knows of no flag. */
  flagState: number;
  /** Joined rooms, and rooms being joined. Searched one by one: at most roomCountMax. */
  memberships: Membership[];
  /** Publishes and History requests without an answer yet. */
  inFlightCount: number;
  /** What it holds under limits; null without any. */
  seats: ConnectionSeats | null;
  /** What it has taken under rates; null before its first frame under one. */
  rates: ConnectionRates | null;
  /** Client's address as a trusted proxy tells it; else empty, and the socket knows it. */
  readonly address: string;
  /** Off the fast lane: past its backpressure limit and not drained yet. */
  isLagging: boolean;
  /** Place among the tokens that end (auth/deadline-wheel.ts); 0: in none. */
  dueS: number;
  /** When it was upgraded, by {@link tickUs}. */
  readonly startedUs: number;
  /** Token in the cookie of its upgrade, until Hello; empty without one. */
  cookieToken: string;
  /** Where it may be sent, as its Welcome said: one list for many connections. */
  targets: readonly string[];
}

/** What a membership is doing. */
export const MemberState = {
  /** Being joined; nothing is sent yet. */
  JOINING: 0,
  /** Subscribed to the room's topic. */
  LIVE: 1,
  /** Reading from the store towards the live messages. */
  CATCHING_UP: 2,
  /** Catching up, and waits for the socket to drain. */
  WAITING: 3,
  /** Was live; not subscribed, waits for the socket to drain. */
  LAGGING: 4,
  /** Ended. */
  LEFT: 5,
} as const;
export type MemberState = (typeof MemberState)[keyof typeof MemberState];

/** One connection in one room. */
export interface Membership {
  readonly room: LocalRoom;
  readonly connection: Connection;
  /** The room as the client names it: not the sibling that it may be in. */
  readonly name: string;
  state: MemberState;
  /** Why the gateway ended it; null for another reason, or while it lasts. */
  endCode: ErrorCode | null;
  /** The version gate that decides about the room; null for none. */
  gate: Gate | null;
  /** Capability, class and version gates all allow it. */
  mayPublish: boolean;
  /** Durable: last position sent, while not live. Null: from the room's first kept message. */
  sent: Position | null;
  /** Durable: `sent` when it was found to be no longer in the history, until live again. */
  lostAfter: Position | null;
  /** Durable: the room's losses up to which `sent` is known to be in its history. */
  lossCount: number;
  /** Ephemeral: the room's count when the member left the fast lane. */
  countAtLag: number;
}

const noTargets: readonly string[] = [];

/** A connection that has just been upgraded. */
export function newConnection(number: number, address = "", cookieToken = ""): Connection {
  return {
    number,
    socket: null,
    phase: Phase.GREETING,
    identity: null,
    profile: null,
    producer: "",
    gate: null,
    isReadOnly: false,
    flagState: 0,
    memberships: [],
    inFlightCount: 0,
    seats: null,
    rates: null,
    address,
    isLagging: false,
    dueS: 0,
    startedUs: tickUs(),
    cookieToken,
    targets: noTargets,
  };
}

/** What one more request is refused with: as many are unanswered already. Null: it is not. */
export function refuseInFlight(
  { inFlightCount }: Connection,
  inFlightMax: number,
): LimitError | null {
  if (inFlightCount < inFlightMax) return null;
  const detail = `${inFlightCount} requests are unanswered, the limit; await some`;
  return new LimitError("IN_FLIGHT_LIMIT", "in-flight", inFlightMax, detail);
}

/** The membership of a room by its alias, or null. */
export function findMembership(connection: Connection, alias: number): Membership | null {
  const { memberships } = connection;
  for (let i = 0; i < memberships.length; i += 1) {
    const membership = memberships[i];
    if (membership !== undefined && membership.room.alias === alias) return membership;
  }
  return null;
}

/** Removes an ended membership from its connection. */
export function removeMembership(membership: Membership): void {
  membership.state = MemberState.LEFT;
  const { memberships } = membership.connection;
  const index = memberships.indexOf(membership);
  if (index >= 0) memberships.splice(index, 1);
}
