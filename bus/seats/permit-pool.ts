/**
 * The permits of one large limit: how many each gateway has, and how many one may take.
 *
 * Pure. Permits are leased in chunks, so that most connections are admitted by a look at a number.
 * What gateways hold is never more than the limit, so nothing is over-admitted; what they hold and
 * do not use is at most 1 % of it, so nobody is refused before 99 % are in use.
 */
import { PermitPool } from "../../proto/gen/tidegate/bus/v1/seats.ts";
import type { ProcessName } from "../bus.ts";

/** What gateways may hold unused, all together, of a limit. */
const SLACK_PART = 0.01;

/** Permits of one gateway. */
export interface PermitShare {
  readonly owner: ProcessName;
  readonly count: number;
}

/** Permits of one limit by incarnation. */
export type PermitTable = Map<string, PermitShare>;

/** Reads a value; null: an empty table. Throws on bytes that are none. */
export function decodePermits(value: Uint8Array | null): PermitTable {
  const table: PermitTable = new Map();
  if (value === null) return table;
  for (const { owner, count } of PermitPool.decode(value).holders) {
    if (owner === undefined) throw new RangeError("permits of nobody");
    const name = { id: owner.gateway, incarnation: owner.incarnation };
    table.set(name.incarnation, { owner: name, count: Number(count) });
  }
  return table;
}

/** The bytes of a table. */
export function encodePermits(table: PermitTable): Uint8Array {
  const holders = [...table.values()].map(({ owner, count }) => ({
    owner: { gateway: owner.id, incarnation: owner.incarnation },
    count: BigInt(count),
  }));
  return PermitPool.encode({ holders }).finish();
}

/** Permits that are out. */
export function permitCount(table: PermitTable): number {
  let sum = 0;
  for (const { count } of table.values()) sum += count;
  return sum;
}

/**
 * How many permits a gateway may hold unused: its part of the slack. 0 for small limits, which are
 * exact by that.
 *
 * @param gatewayCount processes that may hold some, 1 or more.
 */
export function spareMax(limit: number, gatewayCount: number): number {
  return Math.floor((limit * SLACK_PART) / Math.max(1, gatewayCount));
}

/** What a gateway wants. */
export interface PermitWish {
  readonly owner: ProcessName;
  /** It uses so many, and gets them in any case: they were admitted. */
  readonly usedCount: number;
  /** It could use so many more now. */
  readonly wantedCount: number;
  /** It would like so many beside these. */
  readonly spareCount: number;
}

/**
 * Sets a gateway's share to what it uses, wants and would like, as far as the limit allows.
 *
 * @returns its permits now, and whether the table changed.
 */
export function sharePermits(
  table: PermitTable,
  wish: PermitWish,
  limit: number,
): { count: number; isChanged: boolean } {
  const { owner, usedCount, wantedCount, spareCount } = wish;
  const before = table.get(owner.incarnation)?.count ?? 0;
  // An earlier life of this very process holds nothing any more.
  const isOther = ({ owner: each }: PermitShare) =>
    each.id === owner.id && each.incarnation !== owner.incarnation;
  const stale = [...table.values()].filter(isOther);
  for (const { owner: each } of stale) table.delete(each.incarnation);
  const free = Math.max(0, limit - (permitCount(table) - before));
  const count = Math.max(usedCount, Math.min(free, usedCount + wantedCount + spareCount));
  if (count === 0) table.delete(owner.incarnation);
  else table.set(owner.incarnation, { owner, count });
  return { count, isChanged: count !== before || stale.length > 0 };
}

/** Ends the shares of processes that are gone; returns how many permits came back. */
export function freeShares(table: PermitTable, gone: ReadonlySet<string>): number {
  let freed = 0;
  for (const [incarnation, { count }] of table) {
    if (gone.has(incarnation)) freed += count;
    if (gone.has(incarnation)) table.delete(incarnation);
  }
  return freed;
}

/**
 * Takes one permit from a process that does not answer any more, for a client that it had admitted
 * and that comes back here: the sum stays the same. Newcomers wait until its lease ends.
 *
 * @returns whether there was one.
 */
export function inheritPermit(table: PermitTable, absent: ReadonlySet<string>): boolean {
  for (const [incarnation, { owner, count }] of table) {
    if (!absent.has(incarnation) || count === 0) continue;
    if (count === 1) table.delete(incarnation);
    else table.set(incarnation, { owner, count: count - 1 });
    return true;
  }
  return false;
}
