/**
 * Contract of the bus, live delivery: ephemeral messages, interest, and who hears what.
 */
import { expect } from "vitest";
import { roomAddress, SLOT_COUNT } from "../../bus/subjects.ts";
import type { DeclareRule } from "./contract.ts";
import {
  append,
  envelopeOf,
  newProducer,
  newRoom,
  publish,
  Recorder,
  textsOf,
} from "./contract-tools.ts";

/** Room names that would match, split or end a subject if they were not escaped. */
const hostileNames = ["*", ">", "a.b", "a.*", "a.>", "🚀 läuft", "x y/z", "=2a", "_", "$JS.API"];

export function liveRules(rule: DeclareRule): void {
  rule("publish: every listener of the room hears all, in order", async (bus) => {
    const room = newRoom("live", "live");
    const recorders = [new Recorder(), new Recorder(), new Recorder()];
    for (const recorder of recorders) bus.subscribeRoom(room, recorder);
    const texts = Array.from({ length: 200 }, (_, i) => String(i));
    for (const text of texts) await publish(bus, room, text);
    for (const recorder of recorders) {
      await recorder.ephemeralCount(texts.length);
      expect(recorder.texts).toEqual(texts);
      expect(new Set(recorder.ephemeral.map(({ token }) => token))).toEqual(new Set([room.token]));
    }
  });

  rule("publish: rooms named like wildcards hear only their own", async (bus) => {
    const rooms = hostileNames.map((name) => roomAddress("acme", `live:${name}`));
    rooms.push(roomAddress("other", "live:*"), roomAddress("acme", "game:*"));
    const recorders = rooms.map((room) => {
      const recorder = new Recorder();
      bus.subscribeRoom(room, recorder);
      return recorder;
    });
    for (const round of ["a", "b"]) {
      for (const [i, room] of rooms.entries()) await publish(bus, room, `${round}${i}`);
    }
    for (const [i, recorder] of recorders.entries()) {
      await recorder.ephemeralCount(2);
      expect(recorder.texts).toEqual([`a${i}`, `b${i}`]);
    }
  });

  rule("subscribeSlot: hears every room of the slot and no other", async (bus) => {
    const room = newRoom("slot", "live");
    const sibling = roomOfSlot(room.slot, true);
    const stranger = roomOfSlot(room.slot, false);
    const recorder = new Recorder();
    bus.subscribeSlot(room.slot, recorder);
    await publish(bus, stranger, "no");
    await publish(bus, room, "a");
    await publish(bus, sibling, "b");
    const producer = newProducer();
    await append(bus, stranger, { producer, seq: 1 }, "no");
    await append(bus, sibling, { producer, seq: 1 }, "c");
    await recorder.ephemeralCount(2);
    await recorder.durableCount(1);
    expect(recorder.ephemeral).toEqual([
      { token: room.token, text: "a" },
      { token: sibling.token, text: "b" },
    ]);
    expect(recorder.durable.map(({ token }) => token)).toEqual([sibling.token]);
    expect(textsOf(recorder.messages)).toEqual(["c"]);
  });

  rule("subscribeRoom: unsubscribed, hears no more; twice is harmless", async (bus) => {
    const room = newRoom("off", "live");
    const leaving = new Recorder();
    const staying = new Recorder();
    const leave = bus.subscribeRoom(room, leaving);
    bus.subscribeRoom(room, staying);
    await publish(bus, room, "a");
    await leaving.ephemeralCount(1);
    leave();
    leave();
    await publish(bus, room, "b");
    await append(bus, room, { producer: newProducer(), seq: 1 }, "c");
    await staying.ephemeralCount(2);
    await staying.durableCount(1);
    expect(leaving.texts).toEqual(["a"]);
    expect(leaving.durable).toEqual([]);
  });

  rule("subscribeRoom: the same listener can come back", async (bus) => {
    const room = newRoom("again", "live");
    const recorder = new Recorder();
    bus.subscribeRoom(room, recorder)();
    bus.subscribeRoom(room, recorder);
    await publish(bus, room, "a");
    await recorder.ephemeralCount(1);
    expect(recorder.texts).toEqual(["a"]);
  });

  rule("subscribeRoom: a listener may leave and join inside its callback", async (bus) => {
    const room = newRoom("inside", "live");
    const late = new Recorder();
    const last = new Recorder();
    const heard: string[] = [];
    const leave = bus.subscribeRoom(room, {
      onEphemeral: (_token, envelope) => {
        heard.push(Buffer.from(envelope).toString());
        leave();
        bus.subscribeRoom(room, late);
      },
      onDurable: () => {},
      onLoss: () => {},
      onHistoryChanged: () => {},
    });
    bus.subscribeRoom(room, last);
    await publish(bus, room, "a");
    await last.ephemeralCount(1);
    await publish(bus, room, "b");
    await last.ephemeralCount(2);
    await late.ephemeralCount(1);
    expect(heard).toEqual(["a"]);
    expect(late.texts.at(-1)).toBe("b");
    expect(last.texts).toEqual(["a", "b"]);
  });

  rule("publish: inside a callback, keeps the order for every listener", async (bus) => {
    const room = newRoom("echo", "live");
    const before = new Recorder();
    const after = new Recorder();
    bus.subscribeRoom(room, before);
    bus.subscribeRoom(room, {
      onEphemeral: (_token, envelope) => {
        const text = Buffer.from(envelope).toString();
        if (text.length < 4) bus.publish(room, envelopeOf(`${text}x`));
      },
      onDurable: () => {},
      onLoss: () => {},
      onHistoryChanged: () => {},
    });
    bus.subscribeRoom(room, after);
    await publish(bus, room, "a");
    for (const recorder of [before, after]) {
      await recorder.ephemeralCount(4);
      expect(recorder.texts).toEqual(["a", "ax", "axx", "axxx"]);
    }
  });
}

/** A room in that slot, or one in another. */
function roomOfSlot(slot: number, isInside: boolean) {
  for (let i = 0; i < SLOT_COUNT * 100; i += 1) {
    const room = roomAddress("acme", `live:search-${slot}-${i}`);
    if ((room.slot === slot) === isInside) return room;
  }
  throw new Error(`no room found for slot ${slot}`);
}
