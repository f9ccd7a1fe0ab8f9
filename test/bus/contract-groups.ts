/**
 * Rules of placement groups: slots of their own, over shards of their own.
 */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { GroupWish } from "../../bus/shard-admin.ts";
import { groupOfSlot, roomAddress, SLOT_COUNT } from "../../bus/subjects.ts";
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
import { change, move, wish } from "./shard-tools.ts";

/** Declares the rules. */
export function groupRules(rule: DeclareRule): void {
  rule(
    "groups: one has slots of its own, spread over its shards, and rooms live in it",
    async (bus) => {
      const group = 7;
      const shards = [
        await bus.shards.create({ ...wish, group }),
        await bus.shards.create({ ...wish, group }),
      ];
      const before = await bus.topology.slots();
      expect(before.some(({ slot }) => groupOfSlot(slot) === group)).toBe(false);
      await bus.shards.createGroup({ group, shards });
      expect(await bus.topology.groups()).toContainEqual({ group, firstShards: shards });
      const own = (await bus.topology.slots()).filter(({ slot }) => groupOfSlot(slot) === group);
      expect(own).toHaveLength(SLOT_COUNT);
      for (const { slot, shard, epoch } of own) {
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

  rule("groups: one is deleted with its slots, and its shards own none", async (bus) => {
    const group = 12;
    const shards = [
      await bus.shards.create({ ...wish, group }),
      await bus.shards.create({ ...wish, group }),
    ];
    await bus.shards.createGroup({ group, shards });
    const first = group * SLOT_COUNT;
    await move(bus, first, shards[1] ?? -1);
    expect(await codeOf(() => bus.shards.deleteGroup(0))).toBe("GROUP_IN_USE");
    expect(await codeOf(() => bus.shards.deleteGroup(13))).toBe("NOT_FOUND");
    await bus.shards.deleteGroup(group);
    expect((await bus.topology.groups()).map((each) => each.group)).not.toContain(group);
    expect(await codeOf(() => bus.topology.slot(first))).toBe("REQUEST_INVALID");
    expect((await bus.topology.shards(shards)).map(({ slots }) => slots)).toEqual([[], []]);
    expect(await codeOf(() => bus.shards.deleteGroup(group))).toBe("NOT_FOUND");
    await bus.shards.createGroup({ group, shards });
    expect(await bus.topology.slot(first)).toMatchObject({ epoch: 1, shard: shards[0] });
    await bus.shards.deleteGroup(group);
    for (const shard of shards) await bus.shards.delete(shard, { discardHistory: false });
  });

  rule("groups: what can not be is refused, and nothing is made", async (bus) => {
    const group = 8;
    const shard = await bus.shards.create({ ...wish, group });
    const before = await bus.topology.groups();
    const createGroup = (group: GroupWish) => bus.shards.createGroup(group);
    const codes = {
      REQUEST_INVALID: [
        ...[
          { group: 16, shards: [shard] },
          { group: -1, shards: [shard] },
        ],
        ...[
          { group, shards: [] },
          { group, shards: [shard, shard] },
          { group: 9, shards: [shard] },
        ],
      ],
      NOT_FOUND: [{ group, shards: [shard, 250] }],
      ALREADY_EXISTS: [{ group: 0, shards: [0] }],
    };
    for (const [code, wishes] of Object.entries(codes)) {
      for (const each of wishes) expect(await codeOf(() => createGroup(each))).toBe(code);
    }
    await change(bus, shard, { state: "draining" });
    expect(await codeOf(() => createGroup({ group, shards: [shard] }))).toBe("SHARD_NOT_ACTIVE");
    expect(await bus.topology.groups()).toEqual(before);
    expect(await codeOf(() => bus.topology.slot(group * SLOT_COUNT))).toBe("REQUEST_INVALID");
    await bus.shards.delete(shard, { discardHistory: false });
  });
}
