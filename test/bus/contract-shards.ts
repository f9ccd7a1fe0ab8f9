/**
 * Rules of changing shards: made, changed, deleted; slots that move between them.
 *
 * Shards that rules make stay in the store: each asks for what it needs, and names what it made.
 */
import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import type { ShardWish } from "../../bus/shard-admin.ts";
import { SLOT_COUNT } from "../../bus/subjects.ts";
import { CONTROL_BUCKET } from "../../proto/control-bucket.ts";
import { Producer, textsIn } from "../nats/move-tools.ts";
import type { DeclareRule } from "./contract.ts";
import {
  append,
  appendMany,
  codeOf,
  newProducer,
  newRoom,
  placeOf,
  Recorder,
  readAll,
  textsOf,
} from "./contract-tools.ts";
import { change, move, retire, shardOf, wish } from "./shard-tools.ts";

/** Declares the rules. */
export function shardRules(rule: DeclareRule): void {
  madeRules(rule);
  changedRules(rule);
  moveRules(rule);
  deletedRules(rule);
}

function madeRules(rule: DeclareRule): void {
  rule(
    "shards: one is made as wished, with the lowest free number, and has no slots",
    async (bus) => {
      const before = await bus.topology.shardNumbers();
      const limits = { roomMessageCountMax: 777, retentionMs: 3_600_000 };
      const shard = await bus.shards.create({ ...wish, ...limits });
      expect(before).not.toContain(shard);
      expect(before.filter((each) => each < shard)).toHaveLength(shard);
      expect(await bus.topology.shardNumbers()).toEqual([...before, shard].sort((a, b) => a - b));
      const { settings, slots, arrivingSlots, facts, trouble } = await shardOf(bus, shard);
      expect({ slots, arrivingSlots, trouble }).toEqual({
        slots: [],
        arrivingSlots: [],
        trouble: "",
      });
      expect(settings).toMatchObject({ ...wish, ...limits, state: "active", retiredUs: null });
      expect(settings?.revision).toBeGreaterThanOrEqual(1);
      expect(facts?.newestUs).toBe(0);
      const entry = { shard, settings };
      expect(await bus.topology.shardSettings()).toContainEqual(entry);
      await bus.shards.delete(shard, { discardHistory: false });
    },
  );

  rule("shards: a wish out of bounds is REQUEST_INVALID, and nothing is made", async (bus) => {
    const before = await bus.topology.shardNumbers();
    const bad: Partial<ShardWish>[] = [
      ...[{ group: 16 }, { group: -1 }, { group: 0.5 }],
      ...[{ region: "EU" }, { region: "a b" }, { region: "x".repeat(33) }],
      ...[{ capacity: 0 }, { capacity: Number.NaN }, { capacity: 1001 }],
      ...[{ replicaCount: 2 }, { retentionMs: 59_999 }, { roomMessageCountMax: 0 }],
      ...[{ shardBytesMax: 1024 }, { placementTags: ["a b"] }],
    ];
    for (const wrong of bad) {
      expect(await codeOf(() => bus.shards.create({ ...wish, ...wrong }))).toBe("REQUEST_INVALID");
    }
    expect(await bus.topology.shardNumbers()).toEqual(before);
  });

  rule("shards: what is written along is written with it, or neither is", async (bus) => {
    const keys = await bus.keyValue(CONTROL_BUCKET);
    const key = `contract.${randomBytes(6).toString("hex")}`;
    const along = (shard: number) => [{ key, value: Buffer.from(String(shard)), revision: 0 }];
    const shard = await bus.shards.create(wish, along);
    expect(Buffer.from((await keys.get(key))?.value ?? "").toString()).toBe(String(shard));
    const { settings } = await shardOf(bus, shard);
    const revision = settings?.revision ?? 0;
    // The key exists by now.
    const update = () => bus.shards.update(shard, { capacity: 9 }, revision, along);
    expect(await codeOf(update)).toBe("ETAG_MISMATCH");
    const remove = () => bus.shards.delete(shard, { discardHistory: false }, along);
    expect(await codeOf(remove)).toBe("ETAG_MISMATCH");
    expect((await shardOf(bus, shard)).settings).toEqual(settings);
    await bus.shards.delete(shard, { discardHistory: false });
  });

  rule("shards: when the bus has ended, every change is UNAVAILABLE", async (bus) => {
    await bus.close();
    const { shards } = bus;
    expect(await codeOf(() => shards.create(wish))).toBe("UNAVAILABLE");
    expect(await codeOf(() => shards.update(0, {}, 1))).toBe("UNAVAILABLE");
    expect(await codeOf(() => shards.delete(0, { discardHistory: true }))).toBe("UNAVAILABLE");
    expect(await codeOf(() => shards.createGroup({ group: 0, shards: [wish] }))).toBe(
      "UNAVAILABLE",
    );
    expect(await codeOf(() => shards.deleteGroup(0, 1))).toBe("UNAVAILABLE");
    expect(await codeOf(() => shards.moveSlot(0, 0))).toBe("UNAVAILABLE");
  });
}

function changedRules(rule: DeclareRule): void {
  rule(
    "shards: a change is of what is said, raises the revision, and meets its etag",
    async (bus) => {
      const shard = await bus.shards.create({ ...wish, roomMessageCountMax: 500 });
      const before = (await shardOf(bus, shard)).settings;
      const revision = before?.revision ?? 0;
      const wanted = { roomMessageCountMax: 600, region: "us", shardBytesMax: 32 * 1024 ** 2 };
      await bus.shards.update(shard, wanted, revision);
      const after = (await shardOf(bus, shard)).settings;
      expect(after).toEqual({ ...before, ...wanted, revision: revision + 1 });
      expect((await shardOf(bus, shard)).facts?.bytesMax).toBe(wanted.shardBytesMax);
      const stale = () => bus.shards.update(shard, { capacity: 5 }, revision);
      expect(await codeOf(stale)).toBe("ETAG_MISMATCH");
      for (const wrong of [{ capacity: 0 }, { retentionMs: 1 }, { region: "?" }]) {
        const change = () => bus.shards.update(shard, wrong, revision + 1);
        expect(await codeOf(change)).toBe("REQUEST_INVALID");
      }
      expect(await codeOf(() => bus.shards.update(250, {}, 1))).toBe("NOT_FOUND");
      expect((await shardOf(bus, shard)).settings).toEqual(after);
      await bus.shards.delete(shard, { discardHistory: false });
    },
  );

  rule("shards: one that drains takes no slots, one that has slots is not retired", async (bus) => {
    const room = newRoom();
    const shard = await bus.shards.create(wish);
    await change(bus, shard, { state: "draining" });
    expect(await codeOf(() => bus.shards.moveSlot(room.slot, shard))).toBe("SHARD_NOT_ACTIVE");
    await change(bus, shard, { state: "active" });
    await move(bus, room.slot, shard);
    const retireNow = () => change(bus, shard, { state: "retired" });
    expect(await codeOf(retireNow)).toBe("SHARD_IN_USE");
    await change(bus, shard, { state: "draining" }); // what it has, it keeps for now
    expect((await append(bus, room, { producer: newProducer(), seq: 1 }, "a")).epoch).toBe(
      (await bus.topology.slot(room.slot)).epoch,
    );
    await retire(bus, shard, [room]);
    const { settings } = await shardOf(bus, shard);
    expect(settings?.state).toBe("retired");
    expect(settings?.retiredUs).toBeGreaterThan(settings?.createdUs ?? 0);
    expect(await codeOf(() => bus.shards.moveSlot(room.slot, shard))).toBe("SHARD_NOT_ACTIVE");
    expect(textsOf(await readAll(bus, room))).toEqual(["a"]); // its history stays
  });
}

function moveRules(rule: DeclareRule): void {
  rule(
    "moveSlot: the next epoch is in the other shard, and history reads on over it",
    async (bus) => {
      const room = newRoom();
      const before = await bus.topology.slot(room.slot);
      const old = await appendMany(bus, room, 5);
      const shard = await bus.shards.create(wish);
      await move(bus, room.slot, shard);
      const moved = await bus.topology.slot(room.slot);
      expect(moved).toMatchObject({ state: "open", epoch: before.epoch + 1, shard });
      const { lastSeq, ...sealed } = moved.sealed.at(-1) ?? { lastSeq: 0 };
      expect(sealed).toMatchObject({
        epoch: before.epoch,
        shard: before.shard,
        wentBackwards: false,
      });
      expect(lastSeq).toBeGreaterThanOrEqual(old.at(-1)?.seq ?? 0);
      expect((await shardOf(bus, shard)).slots).toEqual([room.slot]);
      await move(bus, room.slot, shard); // it is there: nothing happens
      expect((await bus.topology.slot(room.slot)).epoch).toBe(before.epoch + 1);
      const fresh = await appendMany(bus, room, 5);
      expect(fresh.map(({ epoch }) => epoch)).toEqual(Array(5).fill(before.epoch + 1));
      const all = [...old, ...fresh].map(placeOf);
      for (const limit of [1, 3, 500]) {
        expect((await readAll(bus, room, limit)).map(placeOf)).toEqual(all);
      }
      const read = await bus.readAfter(room, all[2] ?? null, 500);
      expect([read.isContinuous, read.messages.map(placeOf)]).toEqual([true, all.slice(3)]);
      const back = await bus.readBefore(room, all[7] ?? null, 500);
      expect(back.messages.map(placeOf)).toEqual(all.slice(0, 7));
      expect(await bus.head(room)).toEqual(all.at(-1));
      expect(await bus.floor(room, 10)).toEqual(all[0]);
      await retire(bus, shard, [room]);
      expect((await readAll(bus, room)).map(placeOf)).toEqual(all);
    },
  );

  rule("moveSlot: under load each message is stored once, in order, and heard", async (bus) => {
    const room = newRoom();
    const recorder = new Recorder();
    bus.subscribeRoom(room, recorder);
    const shard = await bus.shards.create(wish);
    const producer = new Producer(bus, room);
    const acks: Promise<unknown>[] = [];
    let isStopping = false;
    const load = (async () => {
      while (!isStopping) {
        acks.push(producer.publish());
        await (acks.length % 4 === 0 ? acks.at(-1) : null);
      }
    })();
    while (acks.length < 10) await acks.at(-1); // some of the first epoch
    for (const target of [shard, 0, shard, 0]) {
      await move(bus, room.slot, target);
      const wanted = acks.length + 10; // some of each epoch
      while (acks.length < wanted) await acks.at(-1);
    }
    isStopping = true;
    await load;
    await Promise.all(acks);
    const stored = await readAll(bus, room);
    expect(textsIn(stored)).toEqual(stored.map((_, i) => producer.textOf(i + 1)));
    expect(stored).toHaveLength(acks.length);
    expect(new Set(stored.map(({ epoch }) => epoch)).size).toBe(5);
    await recorder.durableCount(1);
    await retire(bus, shard, []);
  });

  rule("moveSlot: a name that was stored before the move is not stored again", async (bus) => {
    const room = newRoom();
    const id = { producer: newProducer(), seq: 1 };
    const firstSentUs = Date.now() * 1000;
    const stored = await append(bus, room, id, "once", firstSentUs);
    const shard = await bus.shards.create(wish);
    await move(bus, room.slot, shard);
    const again = await append(bus, room, id, "once", firstSentUs);
    expect(again).toEqual({ ...stored, isDuplicate: true });
    expect(textsOf(await readAll(bus, room))).toEqual(["once"]);
    await retire(bus, shard, [room]);
  });

  rule("moveSlot: what can not be is refused, and the slot stays", async (bus) => {
    const room = newRoom();
    const before = await bus.topology.slot(room.slot);
    const [other = -1] = await bus.shards.createGroup({
      ...{ group: 11, shards: [{ ...wish, group: 11 }] },
    });
    const moveSlot = (slot: number, shard: number) => bus.shards.moveSlot(slot, shard);
    for (const slot of [-1, 0.5, 15 * SLOT_COUNT, 16 * SLOT_COUNT, Number.NaN]) {
      expect(await codeOf(() => moveSlot(slot, 0))).toBe("REQUEST_INVALID");
    }
    expect(await codeOf(() => moveSlot(room.slot, 250))).toBe("NOT_FOUND");
    expect(await codeOf(() => moveSlot(room.slot, other))).toBe("REQUEST_INVALID");
    expect(await bus.topology.slot(room.slot)).toEqual(before);
  });

  rule("moveSlot: a mover that may not act any more ends, and the slot goes on", async (bus) => {
    const room = newRoom();
    const before = await bus.topology.slot(room.slot);
    const shard = await bus.shards.create(wish);
    let actCount = 0;
    const move = () =>
      bus.shards.moveSlot(room.slot, shard, () => {
        actCount += 1;
        throw new Error("no leader any more");
      });
    await expect(move()).rejects.toThrow("no leader any more");
    expect(actCount).toBe(1);
    expect(await bus.topology.slot(room.slot)).toEqual(before);
    const ack = await append(bus, room, { producer: newProducer(), seq: 1 }, "a");
    expect(ack.epoch).toBe(before.epoch);
    await retire(bus, shard, []);
  });
}

function deletedRules(rule: DeclareRule): void {
  rule("shards: one without slots and history is deleted, and its number is free", async (bus) => {
    const shard = await bus.shards.create(wish);
    await bus.shards.delete(shard, { discardHistory: false });
    expect(await bus.topology.shardNumbers()).not.toContain(shard);
    expect(await bus.topology.shards([shard])).toEqual([]);
    const again = () => bus.shards.delete(shard, { discardHistory: true });
    expect(await codeOf(again)).toBe("NOT_FOUND");
    expect(await bus.shards.create(wish)).toBe(shard);
    expect((await shardOf(bus, shard)).settings?.state).toBe("active");
    await bus.shards.delete(shard, { discardHistory: false });
  });

  rule("shards: one with slots is SHARD_IN_USE, one with history HISTORY_KEPT", async (bus) => {
    const room = newRoom();
    const shard = await bus.shards.create(wish);
    await move(bus, room.slot, shard);
    const [ack] = await appendMany(bus, room, 3);
    expect((await shardOf(bus, shard)).facts?.newestUs).toBeGreaterThanOrEqual(ack?.timeUs ?? 0);
    for (const discardHistory of [false, true]) {
      const remove = () => bus.shards.delete(shard, { discardHistory });
      expect(await codeOf(remove)).toBe("SHARD_IN_USE");
    }
    await retire(bus, shard, [room]);
    const remove = () => bus.shards.delete(shard, { discardHistory: false });
    expect(await codeOf(remove)).toBe("HISTORY_KEPT");
    expect(textsOf(await readAll(bus, room))).toEqual(["0", "1", "2"]);
  });
}
