/** Seats when the KV loses writes and answers, is away, or the lease was lost. */
import { expect, test } from "vitest";
import type { Bus } from "../../../bus/bus.ts";
import { SEAT_BUCKET, userKey } from "../../../bus/seats/seat-keys.ts";
import { decodeSeats, encodeSeats } from "../../../bus/seats/seat-set.ts";
import { RoomMode } from "../../../proto/gen/tidegate/control/v1/room_class.ts";
import { testGateway } from "../start-gateway.ts";
import { type Fate, type FaultyBus, faultyBus } from "./faulty-bus.ts";
import {
  attempt,
  authenticateByName,
  putClass,
  putLimit,
  seatCount,
  tokenOf,
  tryJoin,
  until,
} from "./quota-tools.ts";

/** A gateway on a faulty bus. */
async function open(options = {}) {
  const made: FaultyBus[] = [];
  const wrapBus = (bus: Bus) => {
    const faulty = faultyBus(bus);
    made.push(faulty);
    return faulty.bus;
  };
  const parts = { authenticate: authenticateByName };
  const gateway = await testGateway({ parts, wrapBus, options });
  const [faulty] = made;
  if (faulty === undefined) throw new Error("no bus");
  return { ...gateway, faulty };
}

/** A small generator of random numbers, so that a printed seed repeats a run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([1, 2, 3, 4])(
  "lost writes, lost answers and late writes (seed %i): exact, and nothing stays behind",
  async (seed) => {
    const { bus, port, faulty, gateway } = await open();
    await putLimit(bus, "connections-per-user", 5);
    const random = randomOf(seed);
    const fates: Fate[] = ["dropped", "unanswered", "late"];
    faulty.fate = () => (random() < 0.4 ? (fates[Math.floor(random() * 3)] ?? "well") : "well");
    const all: Awaited<ReturnType<typeof attempt>>[] = [];
    const present = () => all.filter(({ client }) => client.socket.readyState === 1);
    for (let round = 0; round < 6; round += 1) {
      const some = Array.from({ length: 10 }, () => attempt(port, { token: "ann" }));
      all.push(...(await Promise.all(some)));
      expect(present().length).toBeLessThanOrEqual(5);
      // One leaves; another comes back with its token, before its old connection is gone.
      const [first, second] = present();
      await first?.client.close();
      if (second === undefined) continue;
      const sessionToken = tokenOf(second.client);
      all.push(await attempt(port, { token: "ann", sessionToken, dialCount: round + 2 }));
      await until(() => present().length <= 5);
    }
    faulty.fate = () => "well";
    for (const { client } of present()) client.socket.close();
    await until(() => gateway.stats().connectionCount === 0);
    await until(async () => (await seatCount(bus)) === 0);
    expect((await attempt(port, { token: "ann" })).isAdmitted).toBe(true);
  },
  60_000,
);

test("the KV is away: fail_closed waits 12 s and ends UNAVAILABLE, others are not concerned", async () => {
  const { bus, port, faulty } = await open();
  await putLimit(bus, "connections-per-user", 2);
  await putLimit(bus, "connections", 1000);
  const { client } = await attempt(port, { token: "ann" });
  await client.join("live:a");
  faulty.fate = () => "dropped";
  const startedMs = performance.now();
  const refused = await attempt(port, { token: "ann" });
  expect(performance.now() - startedMs).toBeGreaterThan(11_500);
  expect(refused.error).toMatchObject({ code: "UNAVAILABLE", retryable: true });
  expect((await attempt(port, { token: "other/eve" })).isAdmitted).toBe(true);
  await client.join("live:b"); // who is in goes on
  faulty.fate = () => "well";
  expect((await attempt(port, { token: "ann" })).isAdmitted).toBe(true);
}, 60_000);

test("the KV is away: fail_open lets in as many as the limit, and counts them afterwards", async () => {
  const { bus, port, faulty } = await open();
  await putLimit(bus, "connections-per-user", 2, true);
  faulty.fate = () => "dropped";
  const all = await Promise.all(Array.from({ length: 5 }, () => attempt(port, { token: "ann" })));
  expect(all.filter(({ isAdmitted }) => isAdmitted)).toHaveLength(2);
  for (const { error } of all) if (error !== null) expect(error.code).toBe("UNAVAILABLE");
  faulty.fate = () => "well";
  await until(async () => (await seatCount(bus)) === 2);
  expect((await attempt(port, { token: "ann" })).code).toBe(4008);
}, 60_000);

test("a lost lease: seats and permits are taken again, who has none any more is closed", async () => {
  const { bus, port, faulty } = await open();
  await putLimit(bus, "connections-per-user", 1);
  await putLimit(bus, "connections", 10);
  await putClass(bus, "game", RoomMode.EPHEMERAL, 3);
  const [ann, bob] = [await attempt(port, { token: "ann" }), await attempt(port, { token: "bob" })];
  expect(await tryJoin(ann.client, "game:1")).toBe(null);
  // Meanwhile another has taken Bob's place.
  const seats = await bus.keyValue(SEAT_BUCKET);
  const key = userKey("default", "bob");
  const entry = await seats.get(key);
  const other = Buffer.alloc(16, 7).toString("latin1");
  const taken = {
    ...{ session: other, owner: bus.self, connection: 99, dialCount: 1, ousted: [] },
  };
  const table = encodeSeats({ capacity: 0, seats: new Map([[other, taken]]) });
  await seats.update(key, table, entry?.revision ?? 0);
  await faulty.loseLease(true);
  expect((await bob.client.closed).code).toBe(4008);
  expect(ann.client.socket.readyState).toBe(1);
  for (const { value } of await seats.list("user.default.")) {
    for (const { owner, session } of decodeSeats(value).seats.values()) {
      if (session !== other) expect(owner.incarnation).toBe(faulty.bus.self.incarnation);
    }
  }
  const before = await seatCount(bus);
  await ann.client.close();
  await until(async () => (await seatCount(bus)) === before - 2);
});

test("a moved seat whose message was lost: found at the next look, closed TAKEN_OVER", async () => {
  const { bus, port, faulty } = await open();
  await putLimit(bus, "connections-per-user", 1);
  const ann = await attempt(port, { token: "ann" });
  const seats = await bus.keyValue(SEAT_BUCKET);
  const key = userKey("default", "ann");
  const entry = await seats.get(key);
  const table = decodeSeats(entry?.value ?? null);
  for (const [session, seat] of table.seats) {
    table.seats.set(session, { ...seat, owner: { id: "else", incarnation: "e" }, connection: 5 });
  }
  await seats.update(key, encodeSeats(table), entry?.revision ?? 0);
  await faulty.loseLease(false);
  expect((await ann.client.closed).code).toBe(4500);
});
