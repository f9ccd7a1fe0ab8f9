/**
 * The seats of one key: who has one, who may have one, and whose seat moves to whom.
 *
 * Pure. One seat a session: a session that shows up on another connection moves its seat, and never
 * gets a second one. Tables are changed in place: gateway/seats/key-queue.ts decodes one for every
 * try and writes it by compare-and-set, so a try that fails leaves nothing behind.
 */
import { SeatSet } from "../../proto/gen/tidegate/bus/v1/seats.ts";
import type { ProcessName } from "../bus.ts";

/** Earlier holders kept for each seat; the first of more is likely to be gone. */
const OUSTED_COUNT_MAX = 4;

/** A connection that held a seat. */
export interface SeatHolder {
  readonly gateway: string;
  /** Number of the connection on that gateway. */
  readonly connection: number;
}

/** One seat. */
export interface Seat {
  /** 16 bytes as latin1. */
  readonly session: string;
  readonly owner: ProcessName;
  readonly connection: number;
  /** Which dial of the client it was; 0: not counted. */
  readonly dialCount: number;
  /** Held it before, and may not have heard; newest first. */
  readonly ousted: readonly SeatHolder[];
}

/** The seats of one key. */
export interface SeatTable {
  /** First chunk of a room: the capacity its chunks were last filled for; else 0. */
  capacity: number;
  /** By session. */
  readonly seats: Map<string, Seat>;
}

/** Who wants a seat. */
export interface SeatClaim {
  readonly session: string;
  readonly owner: ProcessName;
  readonly connection: number;
  readonly dialCount: number;
  /** False: it had the seat before, and does not take it back from another connection. */
  readonly isNewcomer: boolean;
}

/** What became of a claim. */
export type SeatVerdict =
  /** It had the seat already. */
  | { readonly is: "held" }
  | { readonly is: "taken" }
  /** The seat was another connection's; those in `ousted` are to be told, maybe once more. */
  | { readonly is: "moved"; readonly ousted: readonly SeatHolder[] }
  /** A newer connection of the session has it. */
  | { readonly is: "late" }
  | { readonly is: "full"; readonly count: number };

/** Reads a value; null: an empty table. Throws on bytes that are none. */
export function decodeSeats(value: Uint8Array | null): SeatTable {
  const seats = new Map<string, Seat>();
  if (value === null) return { capacity: 0, seats };
  const set = SeatSet.decode(value);
  const owners = set.owners.map(({ gateway, incarnation }) => ({ id: gateway, incarnation }));
  for (const { session, owner: index, connection, dialCount, ousted } of set.seats) {
    const owner = owners[index];
    if (owner === undefined) throw new RangeError(`a seat of owner ${index} of ${owners.length}`);
    const name = Buffer.from(session).toString("latin1");
    seats.set(name, { session: name, owner, connection, dialCount, ousted });
  }
  return { capacity: set.capacity, seats };
}

/** The bytes of a table. */
export function encodeSeats({ capacity, seats }: SeatTable): Uint8Array {
  const owners: { gateway: string; incarnation: string }[] = [];
  const indexOf = new Map<string, number>();
  const rows = [...seats.values()].map(({ session, owner, connection, dialCount, ousted }) => {
    let index = indexOf.get(owner.incarnation);
    if (index === undefined) {
      index = owners.push({ gateway: owner.id, incarnation: owner.incarnation }) - 1;
      indexOf.set(owner.incarnation, index);
    }
    const bytes = Buffer.from(session, "latin1");
    return { session: bytes, owner: index, connection, dialCount, ousted: [...ousted] };
  });
  return SeatSet.encode({ owners, seats: rows, capacity }).finish();
}

/**
 * Gives the claimer its seat, if it may have one.
 *
 * @param capacity seats of this key.
 * @returns the verdict, and whether the table changed.
 */
export function claimSeat(
  table: SeatTable,
  claim: SeatClaim,
  capacity: number,
): { verdict: SeatVerdict; isChanged: boolean } {
  const present = table.seats.get(claim.session);
  if (present === undefined) {
    const count = table.seats.size;
    if (count >= capacity) {
      return { verdict: { is: "full", count }, isChanged: false };
    }
    put(table, claim, []);
    return { verdict: { is: "taken" }, isChanged: true };
  }
  if (isHeldBy(present, claim)) {
    const isChanged = present.owner.incarnation !== claim.owner.incarnation;
    const { ousted } = present;
    if (isChanged) put(table, claim, ousted);
    // A write without an answer may have moved it here: then nobody has been told yet.
    const isToTell = claim.isNewcomer && ousted.length > 0;
    return { verdict: isToTell ? { is: "moved", ousted } : { is: "held" }, isChanged };
  }
  const isOlder = claim.dialCount > 0 && claim.dialCount < present.dialCount;
  if (!claim.isNewcomer || isOlder) return { verdict: { is: "late" }, isChanged: false };
  const before = { gateway: present.owner.id, connection: present.connection };
  const ousted = [before, ...present.ousted].filter(
    ({ gateway, connection }) => gateway !== claim.owner.id || connection !== claim.connection,
  );
  put(table, claim, ousted.slice(0, OUSTED_COUNT_MAX));
  return { verdict: { is: "moved", ousted }, isChanged: true };
}

/** Ends a seat if that connection still has it; returns whether it had. */
export function freeSeat(table: SeatTable, session: string, holder: SeatHolder): boolean {
  const present = table.seats.get(session);
  if (present === undefined) return false;
  const { owner, connection } = present;
  if (owner.id !== holder.gateway || connection !== holder.connection) return false;
  return table.seats.delete(session);
}

/** Ends the seats of processes that are gone; returns how many. */
export function freeOwners(table: SeatTable, gone: ReadonlySet<string>): number {
  let count = 0;
  for (const [session, { owner }] of table.seats) {
    if (!gone.has(owner.incarnation)) continue;
    table.seats.delete(session);
    count += 1;
  }
  return count;
}

/** Who has seats, each once. */
export function ownersOf(table: SeatTable): ProcessName[] {
  const owners = new Map<string, ProcessName>();
  for (const { owner } of table.seats.values()) owners.set(owner.incarnation, owner);
  return [...owners.values()];
}

function isHeldBy(seat: Seat, claim: SeatClaim): boolean {
  return seat.owner.id === claim.owner.id && seat.connection === claim.connection;
}

function put(table: SeatTable, claim: SeatClaim, ousted: readonly SeatHolder[]): void {
  const { session, owner, connection, dialCount } = claim;
  table.seats.set(session, { session, owner, connection, dialCount, ousted });
}
