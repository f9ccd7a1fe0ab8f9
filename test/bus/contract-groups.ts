/**
 * Rules of placement groups: slots of their own, over shards of their own.
 */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { Bus } from "../../bus/bus.ts";
import { holdGroup } from "../../bus/hold-group.ts";
import { groupKey, SHARD_PREFIX, shardOfKey } from "../../bus/record-keys.ts";
import type { GroupWish } from "../../bus/shard-admin.ts";
import { groupOfSlot, roomAddress, SLOT_COUNT } from "../../bus/subjects.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import type { DeclareRule } from "./contract.ts";
import {
  append,
  appendMany,
  codeOf,
  envelopeOf,
  newProducer,
  placeOf,
  Recorder,
  readAll,
  textsOf,
} from "./contract-tools.ts";
import { move, wish } from "./shard-tools.ts";

/** Declares the rules. */
export function groupRules(rule: DeclareRule): void {
  rule(
    "groups: one has slots of its own, spread over its shards, and rooms live in it",
    async (bus) => {
      const group = 7;
      const before = await bus.topology.slots();
      expect(before.some(({ slot }) => groupOfSlot(slot) === group)).toBe(false);
      const own = { ...wish, group };
      const shards = await bus.shards.createGroup({ group, shards: [own, own] });
      expect(new Set(shards).size).toBe(2);
      expect(await bus.topology.groups()).toContainEqual({ group, firstShards: shards });
      const slots = (await bus.topology.slots()).filter(({ slot }) => groupOfSlot(slot) === group);
      expect(slots).toHaveLength(SLOT_COUNT);
      for (const { slot, shard, epoch } of slots) {
        expect([shard, epoch]).toEqual([shards[(slot % SLOT_COUNT) % 2], 1]);
      }
      const room = roomAddress("acme", `chat:${randomBytes(6).toString("hex")}`, group);
      expect(groupOfSlot(room.slot)).toBe(group);
      const recorder = new Recorder();
      bus.subscribeRoom(room, recorder);
      const acks = await appendMany(bus, room, 3);
      await recorder.durableCount(3);
      expect((await readAll(bus, room)).map(placeOf)).toEqual(acks.map(placeOf));
      bus.publish(room, envelopeOf("here"));
      await recorder.ephemeralCount(1);
      const owner = (await bus.topology.slot(room.slot)).shard;
      await move(bus, room.slot, shards.find((each) => each !== owner) ?? -1);
      const ack = await append(bus, room, { producer: newProducer(), seq: 1 }, "3");
      expect(ack.epoch).toBe(2);
      expect(textsOf(await readAll(bus, room))).toEqual(["0", "1", "2", "3"]);
      const inUse = () => bus.shards.delete(owner, { discardHistory: true });
      expect(await codeOf(inUse)).toBe("SHARD_IN_USE");
    },
  );

  rule("groups: one is deleted with its slots and shards, all at once or not", async (bus) => {
    const group = 12;
    const own = { ...wish, group };
    const before = await bus.topology.shardNumbers();
    const shards = await bus.shards.createGroup({ group, shards: [own, own] });
    const first = group * SLOT_COUNT;
    await move(bus, first, shards[1] ?? -1);
    const third = await bus.shards.create(own);
    expect(await codeOf(() => bus.shards.deleteGroup(0, 1))).toBe("GROUP_IN_USE");
    expect(await codeOf(() => bus.shards.deleteGroup(13, 1))).toBe("NOT_FOUND");
    const revision = await revisionOf(bus, group);
    expect(await codeOf(() => bus.shards.deleteGroup(group, revision - 1))).toBe("ETAG_MISMATCH");
    expect((await bus.topology.slot(first)).shard).toBe(shards[1]);
    const told: (readonly number[])[] = [];
    await bus.shards.deleteGroup(group, revision, (gone) => {
      told.push(gone);
      return [];
    });
    expect(told.at(-1)).toEqual([...shards, third].sort((a, b) => a - b));
    expect((await bus.topology.groups()).map((each) => each.group)).not.toContain(group);
    expect(await codeOf(() => bus.topology.slot(first))).toBe("REQUEST_INVALID");
    expect(await bus.topology.shardNumbers()).toEqual(before);
    expect(await codeOf(() => bus.shards.deleteGroup(group, revision))).toBe("NOT_FOUND");
    expect(await codeOf(() => bus.shards.create(own))).toBe("NOT_FOUND");
    const [again] = await bus.shards.createGroup({ group, shards: [own] });
    expect(await bus.topology.slot(first)).toMatchObject({ epoch: 1, shard: again });
    await bus.shards.deleteGroup(group, await revisionOf(bus, group));
  });

  rule("groups: one that stores a message is not deleted", async (bus) => {
    const group = 10;
    const shards = await bus.shards.createGroup({ group, shards: [{ ...wish, group }] });
    const room = roomAddress("acme", `chat:${randomBytes(6).toString("hex")}`, group);
    await appendMany(bus, room, 1);
    const revision = await revisionOf(bus, group);
    expect(await codeOf(() => bus.shards.deleteGroup(group, revision))).toBe("HISTORY_KEPT");
    expect(await bus.topology.shardNumbers()).toEqual(expect.arrayContaining([...shards]));
    expect(textsOf(await readAll(bus, room))).toEqual(["0"]);
  });

  rule("groups: of what is put into one and its deletion, one happens", async (bus) => {
    const group = 14;
    await bus.shards.createGroup({ group, shards: [{ ...wish, group }] });
    const keys = await bus.keyValue(CONTROL_BUCKET);
    const key = `contract.${randomBytes(6).toString("hex")}`;
    const thing = { key, value: Buffer.from("in it"), revision: 0 };
    const revision = await revisionOf(bus, group);
    const held = await holdGroup(keys, group);
    await keys.commit([thing, ...held]);
    // Decided before it came.
    expect(await codeOf(() => bus.shards.deleteGroup(group, revision))).toBe("ETAG_MISMATCH");
    expect((await bus.topology.groups()).map((each) => each.group)).toContain(group);
    const late = await holdGroup(keys, group);
    await bus.shards.deleteGroup(group, await revisionOf(bus, group));
    const other = { ...thing, key: `${key}.late` };
    expect(await codeOf(() => keys.commit([other, ...late]))).toBe("ETAG_MISMATCH");
    expect(await keys.get(other.key)).toBeNull();
    expect(await codeOf(() => holdGroup(keys, group))).toBe("NOT_FOUND");
    expect(await holdGroup(keys, 0)).toEqual([]);
  });

  rule("groups: what can not be is refused, and nothing is made", async (bus) => {
    const group = 8;
    const own = { ...wish, group };
    const [before, shards] = [await bus.topology.groups(), await bus.topology.shardNumbers()];
    const codes: Record<string, GroupWish[]> = {
      REQUEST_INVALID: [
        { group: 16, shards: [{ ...wish, group: 16 }] },
        { group: -1, shards: [{ ...wish, group: -1 }] },
        { group, shards: [] },
        { group, shards: Array.from({ length: 65 }, () => own) },
        { group, shards: [own, wish] },
        { group, shards: [own, { ...own, region: "EU" }] },
      ],
      ALREADY_EXISTS: [{ group: 0, shards: [wish] }],
    };
    for (const [code, wishes] of Object.entries(codes)) {
      for (const each of wishes) {
        expect(await codeOf(() => bus.shards.createGroup(each))).toBe(code);
      }
    }
    const keys = await bus.keyValue(CONTROL_BUCKET);
    const taken = { key: groupKey(0), value: Buffer.from("x"), revision: 0 };
    const along = () => [taken]; // exists: the commit fails as a whole
    const racing = () => bus.shards.createGroup({ group, shards: [own] }, along);
    expect(["ETAG_MISMATCH", "UNAVAILABLE"]).toContain(await codeOf(racing));
    expect(await bus.topology.groups()).toEqual(before);
    expect(await bus.topology.shardNumbers()).toEqual(shards);
    expect(await codeOf(() => bus.topology.slot(group * SLOT_COUNT))).toBe("REQUEST_INVALID");
    expect((await keys.list(SHARD_PREFIX)).map(({ key }) => shardOfKey(key))).toHaveLength(
      shards.length,
    );
  });
}

/** Revision of a group's record. */
async function revisionOf(bus: Bus, group: number): Promise<number> {
  const keys = await bus.keyValue(CONTROL_BUCKET);
  return (await keys.get(groupKey(group)))?.revision ?? 0;
}
