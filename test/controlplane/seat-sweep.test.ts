/** What the leader frees of seats and permits, on the embedded bus. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openEmbeddedBus } from "../../bus/embedded/embedded-bus.ts";
import { Owners } from "../../bus/seats/owners.ts";
import { decodePermits, encodePermits } from "../../bus/seats/permit-pool.ts";
import { leftKey, poolKey, SEAT_BUCKET, userKey } from "../../bus/seats/seat-keys.ts";
import { decodeSeats, encodeSeats, type Seat } from "../../bus/seats/seat-set.ts";
import { sweepSeats } from "../../controlplane/seat-sweep.ts";

test("sweepSeats: frees what the gone have left, keeps those of the living and of the awaited", async () => {
  const dataDir = mkdtempSync(path.join(tmpdir(), "tidegate-sweep-"));
  const bus = await openEmbeddedBus({ dataDir });
  onTestFinished(async () => {
    await bus.close();
    rmSync(dataDir, { recursive: true, force: true });
  });
  const seats = await bus.keyValue(SEAT_BUCKET);
  const gone = { id: "gone", incarnation: "gone" };
  const left = { id: "left", incarnation: "left" };
  const seat = (owner: Seat["owner"], connection: number): Seat => {
    const session = Buffer.alloc(16, connection).toString("latin1");
    return { session, owner, connection, dialCount: 0, ousted: [] };
  };
  const table = [seat(gone, 1), seat(bus.self, 2), seat(left, 3)];
  const bySession = new Map(table.map((each) => [each.session, each]));
  await seats.create(userKey("t", "ann"), encodeSeats({ capacity: 0, seats: bySession }));
  const shares = [gone, bus.self, left].map((owner) => ({ owner, count: 5 }));
  const pool = new Map(shares.map((share) => [share.owner.incarnation, share]));
  await seats.create(poolKey("t", "connections"), encodePermits(pool));
  await seats.create(leftKey("left"), Buffer.from("left"), 60_000);
  const owners = new Owners(bus, () => Promise.resolve(seats), 1);
  await new Promise((resolve) => setImmediate(resolve));
  expect(await sweepSeats(seats, owners)).toEqual({ keyCount: 3, freedCount: 6 });
  const kept = decodeSeats((await seats.get(userKey("t", "ann")))?.value ?? null);
  expect([...kept.seats.values()].map(({ connection }) => connection)).toEqual([2, 3]);
  const permits = decodePermits((await seats.get(poolKey("t", "connections")))?.value ?? null);
  expect([...permits.keys()]).toEqual([bus.self.incarnation, "left"]);
  await seats.delete(leftKey("left"));
  const later = new Owners(bus, () => Promise.resolve(seats), 1);
  expect((await sweepSeats(seats, later)).freedCount).toBe(6);
});
