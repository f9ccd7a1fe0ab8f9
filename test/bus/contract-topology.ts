/**
 * Rules of the topology: who is there, and which shard has what.
 */
import { hostname } from "node:os";
import { expect } from "vitest";
import { addressOfToken, SLOT_COUNT } from "../../bus/subjects.ts";
import type { DeclareRule } from "./contract.ts";
import { appendMany, codeOf, newRoom, nowUs } from "./contract-tools.ts";

/** Clocks of one machine, read one after the other. */
const skewUs = 2_000_000;

/** Declares the rules. */
export function topologyRules(rule: DeclareRule): void {
  rule("topology: lists this process once, alive, with what people look for", async (bus) => {
    const all = await bus.topology.processes();
    const own = all.filter(({ expiresUs }) => expiresUs === null || expiresUs > nowUs());
    expect(own).toHaveLength(1);
    expect(own[0]).toMatchObject({ host: hostname(), pid: process.pid });
    expect(own[0]?.id).toMatch(/^[a-z0-9-]{1,32}$/);
    expect(own[0]?.incarnation).not.toBe("");
    expect(bus.self).toEqual({ id: own[0]?.id, incarnation: own[0]?.incarnation });
    const { startedUs = 0, renewedUs = 0 } = own[0] ?? {};
    expect(Math.abs(nowUs() - renewedUs)).toBeLessThan(60_000_000);
    expect(startedUs).toBeLessThanOrEqual(nowUs());
    expect(startedUs).toBeLessThanOrEqual(renewedUs + skewUs);
  });

  rule("topology: every slot has one owner, and shards and slots agree on it", async (bus) => {
    const numbers = await bus.topology.shardNumbers();
    expect(numbers).toEqual(numbers.map((_, i) => i));
    const slots = await bus.topology.slots();
    const groups = await bus.topology.groups();
    expect(groups[0]?.group).toBe(0);
    const first = groups.map(({ group }) => group * SLOT_COUNT);
    const expected = first.flatMap((from) =>
      Array.from({ length: SLOT_COUNT }, (_, i) => from + i),
    );
    expect(slots.map(({ slot }) => slot)).toEqual(expected);
    const shards = await bus.topology.shards(numbers);
    expect(shards.map(({ shard }) => shard)).toEqual(numbers);
    for (const { shard, slots: owned, trouble } of shards) {
      expect(trouble).toBe("");
      expect(owned).toEqual(slots.filter((each) => each.shard === shard).map(({ slot }) => slot));
    }
    for (const slot of slots) {
      expect(slot).toMatchObject({ state: "open", targetShard: null, deadlineUs: null });
    }
  });

  rule("topology: a shard's facts grow with what is stored, within its settings", async (bus) => {
    const room = newRoom();
    const { shard, epoch } = await bus.topology.slot(room.slot);
    const [before] = await bus.topology.shards([shard]);
    const acks = await appendMany(bus, room, 20);
    const [after] = await bus.topology.shards([shard]);
    const [old, now] = [before?.facts, after?.facts];
    if (old === undefined || old === null || now === undefined || now === null) {
      throw new Error(`${before?.trouble} ${after?.trouble}`);
    }
    expect(now.messageCount).toBeGreaterThanOrEqual(old.messageCount + 20);
    expect(now.lastSeq).toBeGreaterThanOrEqual(acks.at(-1)?.seq ?? 0);
    expect(now.firstSeq).toBeLessThanOrEqual(acks[0]?.seq ?? 0);
    expect(now.messageCount).toBeLessThanOrEqual(now.lastSeq - now.firstSeq + 1);
    expect(now.bytes).toBeGreaterThan(0);
    expect(now.bytes).toBeLessThan(now.bytesMax);
    expect(now.bytesMax).toBe(after?.settings?.shardBytesMax);
    expect(now.replicaCount).toBe(after?.settings?.replicaCount);
    expect(after?.store).not.toBe("");
    expect(acks[0]?.epoch).toBe(epoch);
  });

  rule(
    "topology: the messages of each room of a shard are counted; none where none is",
    async (bus) => {
      const rooms = Array.from({ length: 20 }, () => newRoom());
      await Promise.all(rooms.map((room, i) => appendMany(bus, room, i + 1)));
      const counts = new Map<string, number>();
      for (const shard of [...(await bus.topology.shardNumbers()), 999]) {
        await bus.topology.roomCounts(shard, (token, count) => {
          counts.set(token, (counts.get(token) ?? 0) + count);
        });
      }
      expect(rooms.map(({ token }) => counts.get(token))).toEqual(rooms.map((_, i) => i + 1));
      for (const { token, tenant, room } of rooms) {
        expect(addressOfToken(token, 0)).toMatchObject({ token, tenant, room });
      }
    },
  );

  rule("topology: one slot is as the list has it; what does not exist is left out", async (bus) => {
    const slots = await bus.topology.slots();
    for (const slot of [0, 517, SLOT_COUNT - 1]) {
      expect(await bus.topology.slot(slot)).toEqual(slots[slot]);
    }
    for (const slot of [-1, SLOT_COUNT, 0.5]) {
      expect(await codeOf(() => bus.topology.slot(slot))).toBe("REQUEST_INVALID");
    }
    const shards = await bus.topology.shards([999, 0, -1]);
    expect(shards.map(({ shard }) => shard)).toEqual([0]);
  });

  rule("topology: when the bus has ended, it is UNAVAILABLE", async (bus) => {
    await bus.close();
    expect(await codeOf(() => bus.topology.processes())).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.topology.shardNumbers())).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.topology.shards([0]))).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.topology.slots())).toBe("UNAVAILABLE");
    expect(await codeOf(() => bus.topology.slot(0))).toBe("UNAVAILABLE");
  });
}
