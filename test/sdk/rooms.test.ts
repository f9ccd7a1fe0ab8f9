/** All rooms together: joins in frames that fit, and reading slower when every room is behind. */
import { describe, expect, test } from "vitest";
import type { ClientFrameKind } from "../../sdk/typescript/frame.ts";
import type { MembershipState } from "../../sdk/typescript/membership.ts";
import { ReadPause } from "../../sdk/typescript/read-pause.ts";
import type { RoomEnd } from "../../sdk/typescript/room-link.ts";
import { Rooms } from "../../sdk/typescript/rooms.ts";
import { FakeClock } from "./fake-clock.ts";

/** A room that does nothing but hold what the test sets. */
class StubRoom implements RoomEnd {
  readonly name: string;
  state: MembershipState = { is: "out" };
  isBehind = false;
  readonly policy = {
    isDurable: true,
    mayPublish: true,
    mayReadHistory: true,
    historyCountMax: 1,
    historyAgeMaxS: 1,
    isDegraded: false,
  };

  constructor(name: string) {
    this.name = name;
  }

  join() {
    this.state = { is: "joining" };
    return { room: this.name, after: undefined, history: 0 };
  }

  onJoined(): void {
    this.state = { is: "in", alias: 1 };
  }

  onBreak(): void {
    this.state = { is: "out" };
  }

  onJoinError(): void {}
  onMessage(): void {}
  onGap(): void {}
  onPolicy(): void {}
  onLeft(): void {}
  end(): void {}
}

function makeRooms() {
  const clock = new FakeClock();
  const sent: ClientFrameKind[] = [];
  const reading: boolean[] = [];
  const state = { isBusy: false };
  let requestId = 0;
  const pause = new ReadPause(clock, (isReading) => reading.push(isReading));
  const rooms = new Rooms({
    clock,
    send: (frame) => sent.push(frame) > 0,
    nextRequestId: () => {
      requestId += 1;
      return requestId;
    },
    pause,
    get isBusy() {
      return state.isBusy;
    },
  });
  return { clock, sent, reading, state, rooms, pause };
}

/** Two rooms that are in. */
function makeTwo() {
  const setting = makeRooms();
  const [a, b] = [new StubRoom("chat:a"), new StubRoom("chat:b")];
  setting.rooms.onWelcome(65_536);
  setting.rooms.add(a);
  setting.rooms.add(b);
  a.state = { is: "in", alias: 1 };
  b.state = { is: "in", alias: 2 };
  return { ...setting, a, b };
}

function joinSizes(sent: readonly ClientFrameKind[]): number[] {
  return sent.map((frame) => (frame.$case === "join" ? frame.value.rooms.length : -1));
}

describe("Rooms", () => {
  test("onWelcome: joins all at once, in as few frames as their names fit", () => {
    const { rooms, sent } = makeRooms();
    for (let i = 0; i < 300; i += 1) rooms.add(new StubRoom(`chat:${i}`));
    rooms.onWelcome(65_536);
    expect(joinSizes(sent)).toEqual([256, 44]);
    sent.length = 0;
    rooms.onBreak();
    rooms.onWelcome(1024);
    const sizes = joinSizes(sent);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(300);
    expect(Math.max(...sizes)).toBeLessThan(20);
  });

  test("onFill: stops reading only when every room that receives is behind", () => {
    const { rooms, reading, pause, a, b } = makeTwo();
    a.isBehind = true;
    pause.onFill(rooms);
    expect(reading).toEqual([]);
    b.isBehind = true;
    pause.onFill(rooms);
    pause.onFill(rooms);
    expect(reading).toEqual([false]);
    a.isBehind = false;
    pause.onFill(rooms);
    expect(reading).toEqual([false, true]);
  });

  test("onFill: a parked room does not count, since nothing comes for it", () => {
    const { rooms, reading, pause, a, b } = makeTwo();
    a.state = { is: "parked" };
    b.isBehind = true;
    pause.onFill(rooms);
    expect(reading).toEqual([false]);
    b.state = { is: "parked" };
    pause.onFill(rooms);
    expect(reading).toEqual([false, true]);
  });

  test("onFill: reads on after 2 s, and then lets the queues overflow", () => {
    const { rooms, reading, pause, clock, a, b } = makeTwo();
    a.isBehind = true;
    b.isBehind = true;
    pause.onFill(rooms);
    clock.advance(2000);
    expect(reading).toEqual([false, true]);
    pause.onFill(rooms);
    expect(reading).toEqual([false, true]);
    b.isBehind = false; // caught up: next time it may stop again
    pause.onFill(rooms);
    b.isBehind = true;
    pause.onFill(rooms);
    expect(reading).toEqual([false, true, false]);
  });

  test("onFill: never while an answer is awaited: the loop that is behind may await it", () => {
    const { rooms, reading, state, pause, a, b } = makeTwo();
    a.isBehind = true;
    b.isBehind = true;
    state.isBusy = true;
    pause.onFill(rooms);
    expect(reading).toEqual([]);
    state.isBusy = false;
    pause.onFill(rooms);
    pause.read(); // a request is about to be sent
    expect(reading).toEqual([false, true]);
  });
});
