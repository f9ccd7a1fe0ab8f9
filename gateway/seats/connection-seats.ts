/**
 * What one connection holds under limits: plain data. Connections of tenants without a limit have
 * none of it.
 */

/** A connection's place in a room. */
export interface RoomPlace {
  /** KV key of its seat; empty when the room's class has no limit, or it has no seat yet. */
  seatKey: string;
  /** Prefix of the room's keys. */
  readonly prefix: string;
  /** Whether it is counted among the members of the tenant's open rooms. */
  isCounted: boolean;
}

/** The seats of a connection. */
export interface ConnectionSeats {
  /** Session id, 16 bytes as latin1: of the token it has shown, or its own. */
  readonly session: string;
  readonly tenant: string;
  /** Whether it has shown a token: it may have seats elsewhere. */
  readonly isReturning: boolean;
  /** Which dial of its client it is; 0: not counted. */
  readonly dialCount: number;
  /** KV key of its seat among its user's connections; empty for none. */
  userKey: string;
  /** KV key of its seat among the connections of its address; empty for none. */
  ipKey: string;
  /** Whether it has a permit of the tenant. */
  hasPermit: boolean;
  /** By room token; only rooms under a limit. */
  readonly rooms: Map<string, RoomPlace>;
}

/** Nothing held yet. */
export function newConnectionSeats(
  session: string,
  tenant: string,
  isReturning: boolean,
  dialCount: number,
): ConnectionSeats {
  return {
    ...{ session, tenant, isReturning, dialCount, userKey: "", ipKey: "" },
    ...{ hasPermit: false, rooms: new Map() },
  };
}

/** Keys in which it has a seat. */
export function seatKeys({ userKey, ipKey, rooms }: ConnectionSeats): string[] {
  const keys = [userKey, ipKey, ...[...rooms.values()].map(({ seatKey }) => seatKey)];
  return keys.filter((key) => key !== "");
}
