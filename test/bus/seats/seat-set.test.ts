/** Seats of one key, permits of one pool and chunks of one room, by random steps. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodePermits,
  encodePermits,
  freeShares,
  inheritPermit,
  permitCount,
  sharePermits,
  spareMax,
} from "../../../bus/seats/permit-pool.ts";
import { excessOf, loweredShare, roomPhase } from "../../../bus/seats/room-capacity.ts";
import { chunkCapacity, chunkCount } from "../../../bus/seats/seat-keys.ts";
import {
  claimSeat,
  decodeSeats,
  encodeSeats,
  freeOwners,
  freeSeat,
  type SeatClaim,
} from "../../../bus/seats/seat-set.ts";

const owners = ["a", "b", "c"].map((id) => ({ id, incarnation: `${id}1` }));
const sessionOf = (n: number) => Buffer.alloc(16, n + 1).toString("latin1");

const claims = fc.record({
  session: fc.nat({ max: 5 }).map(sessionOf),
  owner: fc.constantFrom(...owners),
  connection: fc.nat({ max: 20 }),
  dialCount: fc.nat({ max: 4 }),
  isNewcomer: fc.boolean(),
});
const steps = fc.oneof(
  fc.record({ do: fc.constant("claim" as const), claim: claims }),
  fc.record({ do: fc.constant("free" as const), claim: claims }),
  fc.record({ do: fc.constant("gone" as const), claim: claims }),
);

describe("seat-set", () => {
  test("claimSeat: never more than the capacity, one seat a session, by any steps", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(steps, { maxLength: 60 }),
        (max, all) => {
          let table = decodeSeats(null);
          for (const { do: kind, claim } of all) {
            const before = table.seats.get(claim.session);
            if (kind === "claim") {
              const { verdict, isChanged } = claimSeat(table, claim, max);
              const after = table.seats.get(claim.session);
              if (verdict.is === "taken") expect(before).toBe(undefined);
              if (verdict.is === "full") expect(table.seats.size).toBe(max);
              if (verdict.is === "late" || verdict.is === "full") expect(after).toEqual(before);
              else
                expect(after).toMatchObject({ owner: claim.owner, connection: claim.connection });
              const wasOurs = before?.owner.id === claim.owner.id;
              if (verdict.is === "moved" && !(wasOurs && before?.connection === claim.connection)) {
                expect(verdict.ousted[0]).toEqual({
                  ...{ gateway: before?.owner.id, connection: before?.connection },
                });
                expect(claim.isNewcomer).toBe(true);
              }
              expect(isChanged).toBe(JSON.stringify(before) !== JSON.stringify(after) || isChanged);
            } else if (kind === "free") {
              freeSeat(table, claim.session, {
                gateway: claim.owner.id,
                connection: claim.connection,
              });
            } else freeOwners(table, new Set([claim.owner.incarnation]));
            expect(table.seats.size).toBeLessThanOrEqual(max);
            table = decodeSeats(encodeSeats(table));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("claimSeat: of two connections of a session the newer dial stays, in either order", () => {
    const claim = (connection: number, dialCount: number): SeatClaim => ({
      ...{ session: sessionOf(0), owner: owners[0] ?? { id: "", incarnation: "" } },
      ...{ connection, dialCount, isNewcomer: true },
    });
    for (const order of [
      [claim(1, 1), claim(2, 2)],
      [claim(2, 2), claim(1, 1)],
    ]) {
      const table = decodeSeats(null);
      for (const each of order) claimSeat(table, each, 1);
      expect(table.seats.get(sessionOf(0))?.connection).toBe(2);
    }
  });
});

describe("permit-pool", () => {
  const wishes = fc.record({
    owner: fc.constantFrom(...owners),
    usedCount: fc.nat({ max: 8 }),
    wantedCount: fc.nat({ max: 30 }),
    spareCount: fc.nat({ max: 5 }),
    isGone: fc.boolean(),
    isInherited: fc.boolean(),
  });

  test("sharePermits: the sum is at most the limit, or what is used beyond it already", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.array(wishes, { maxLength: 40 }),
        (max, all) => {
          let table = decodePermits(null);
          for (const { isGone, isInherited, ...wish } of all) {
            const before = permitCount(table);
            if (isGone) freeShares(table, new Set([wish.owner.incarnation]));
            else if (isInherited) {
              const absent = new Set([wish.owner.incarnation]);
              const isTaken = inheritPermit(table, absent);
              expect(permitCount(table)).toBe(isTaken ? before - 1 : before);
            } else {
              const held = table.get(wish.owner.incarnation)?.count ?? 0;
              const { count } = sharePermits(table, wish, max);
              expect(count).toBeGreaterThanOrEqual(wish.usedCount);
              const forced = Math.max(max, before - held + wish.usedCount);
              expect(permitCount(table)).toBeLessThanOrEqual(forced);
            }
            table = decodePermits(encodePermits(table));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("spareMax: all gateways together hold at most 1 % unused", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 1000 }), (max, n) => {
        expect(spareMax(max, n) * n).toBeLessThanOrEqual(max * 0.01);
      }),
    );
  });
});

describe("room-capacity", () => {
  test("chunks: their shares are the capacity, exactly", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), (capacity) => {
        let sum = 0;
        for (let i = 0; i < chunkCount(capacity) + 2; i += 1) sum += chunkCapacity(capacity, i);
        expect(sum).toBe(capacity);
      }),
    );
  });

  test("joins and leaves over lowered and raised capacities never pass the present one", () => {
    const moves = fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant("join"), chunk: fc.nat({ max: 7 }) }) },
      { weight: 4, arbitrary: fc.record({ do: fc.constant("leave"), chunk: fc.nat({ max: 7 }) }) },
      fc.record({ do: fc.constant("look"), chunk: fc.constant(0) }),
      fc.record({ do: fc.constant("resize"), chunk: fc.integer({ min: 257, max: 1500 }) }),
    );
    fc.assert(
      fc.property(fc.array(moves, { maxLength: 80 }), (all) => {
        let capacity = 700;
        let filledFor = 0;
        /** What some gateway saw when it looked last: it may be old. */
        let seenExcess = 0;
        const counts = Array.from({ length: 8 }, () => 0);
        const total = () => counts.reduce((sum, each) => sum + each, 0);
        for (const { do: kind, chunk } of all) {
          if (kind === "resize") {
            capacity = chunk;
            seenExcess = excessOf(capacity, counts);
          } else if (kind === "leave") counts[chunk] = Math.max(0, (counts[chunk] ?? 0) - 40);
          else if (kind === "look") seenExcess = excessOf(capacity, counts);
          else {
            const phase = roomPhase(capacity, filledFor);
            if (phase.is === "raised") filledFor = capacity;
            if (phase.is === "lowered" && excessOf(capacity, counts) === 0) filledFor = capacity;
            const excess = phase.is === "lowered" ? seenExcess : 0;
            const share = loweredShare(capacity, chunk, excess);
            // As many as find room, one after the other.
            const before = counts[chunk] ?? 0;
            const after = Math.max(before, Math.min(before + 120, share));
            counts[chunk] = after;
            if (after > before) expect(total()).toBeLessThanOrEqual(capacity);
          }
        }
      }),
      { numRuns: 3000 },
    );
  });
});
