/** gateway/resume-reads.ts: what a storm of resumes asks of the store, and that each is exact. */
import { expect, test } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { RESUME_READS_AT_ONCE_MAX } from "../../gateway/resume-reads.ts";
import { RoomMode } from "../../proto/gen/tidegate/control/v1/room_class.ts";
import { defaultRoomClass } from "../../proto/room-class.ts";
import { type TestGateway, testGateway } from "./start-gateway.ts";

/** Reads of the store: held until let go, counted by name. */
class Gate {
  readonly counts = { readAfter: 0, floor: 0 };
  runningMax = 0;
  #runningCount = 0;
  #held: PromiseWithResolvers<void> | null = null;

  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held?.resolve();
    this.#held = null;
  }

  readonly wrap = (bus: Bus): Bus =>
    new Proxy(bus, {
      get: (target, key) => {
        const member: unknown = Reflect.get(target, key);
        if (typeof member !== "function") return member;
        if (key !== "readAfter" && key !== "floor") return member.bind(target);
        return async (...args: unknown[]) => {
          this.counts[key] += 1;
          this.#runningCount += 1;
          this.runningMax = Math.max(this.runningMax, this.#runningCount);
          await this.#held?.promise;
          const result: unknown = await Reflect.apply(member, target, args);
          this.#runningCount -= 1;
          return result;
        };
      },
    });
}

/** Publishes "1" to `count` and returns their positions. */
async function fill(gateway: TestGateway, room: string, count: number) {
  const client = await gateway.client();
  const ids = Array.from({ length: count }, (_, i) =>
    client.publish({ room, seq: i + 1, payload: String(i + 1) }),
  );
  return Promise.all(ids.map(async (id) => (await client.ack(id)).position));
}

test("ResumeReads: members that come back with one position share one read, each is exact", async () => {
  const gate = new Gate();
  const gateway = await testGateway({ wrapBus: gate.wrap });
  const [first] = await fill(gateway, "chat:a", 5);
  gate.hold();
  const clients = await Promise.all(Array.from({ length: 20 }, () => gateway.client()));
  const joins = clients.map((client) => client.join("chat:a", { after: first }));
  await expect.poll(() => gate.counts.readAfter).toBe(1);
  await Promise.all(clients.map((client) => client.settle()));
  expect(gate.counts.readAfter).toBe(1);
  // Stored while the shared read is under way: comes after what was missed, once.
  await fill(gateway, "chat:a", 1);
  gate.release();
  for (const [i, joined] of (await Promise.all(joins)).entries()) {
    expect(joined.recovered).toBe(true);
    const texts = await clients[i]?.texts(joined.roomAlias, 5);
    expect(texts).toEqual(["2", "3", "4", "5", "1"]);
  }
  expect(gate.counts.floor).toBe(0);
});

test("ResumeReads: other positions and later resumes read for themselves", async () => {
  const gate = new Gate();
  const gateway = await testGateway({ wrapBus: gate.wrap });
  const [first, second] = await fill(gateway, "chat:a", 3);
  const clients = await Promise.all(Array.from({ length: 3 }, () => gateway.client()));
  const [a, b, c] = clients;
  const joined = await Promise.all([
    a?.join("chat:a", { after: first }),
    b?.join("chat:a", { after: second }),
  ]);
  expect(joined.map((each) => each?.recovered)).toEqual([true, true]);
  expect(gate.counts.readAfter).toBe(2);
  expect((await c?.join("chat:a", { after: second }))?.recovered).toBe(true);
  expect(gate.counts.readAfter).toBe(3);
});

test("ResumeReads: a member behind the class's count is told, by its floor", async () => {
  const gate = new Gate();
  const gateway = await testGateway({ wrapBus: gate.wrap });
  const base = defaultRoomClass("tenants/default/roomClasses/short", RoomMode.DURABLE);
  await gateway.putClass("short", { ...base, historyCountMax: 3 });
  const probe = await gateway.client();
  await expect.poll(async () => (await probe.join("short:warm")).roomAlias).toBeGreaterThan(0);
  const [first, second] = await fill(gateway, "short:a", 5);
  const client = await gateway.client();
  expect((await client.join("short:a", { after: first })).recovered).toBe(false);
  const other = await gateway.client();
  expect((await other.join("short:a", { after: second })).recovered).toBe(true);
  expect(gate.counts.floor).toBe(1);
});

test("ResumeReads: at most so many reads run at once, and the others follow", async () => {
  const gate = new Gate();
  const gateway = await testGateway({ wrapBus: gate.wrap });
  const count = RESUME_READS_AT_ONCE_MAX + 10;
  const positions = await fill(gateway, "chat:a", count);
  gate.hold();
  const clients = await Promise.all(positions.map(() => gateway.client()));
  const joins = clients.map((client, i) => client.join("chat:a", { after: positions[i] }));
  await expect.poll(() => gate.runningMax).toBe(RESUME_READS_AT_ONCE_MAX);
  await Promise.all(clients.map((client) => client.settle()));
  expect(gate.runningMax).toBe(RESUME_READS_AT_ONCE_MAX);
  gate.release();
  expect((await Promise.all(joins)).every(({ recovered }) => recovered)).toBe(true);
  expect(gate.counts.readAfter).toBe(count);
});
