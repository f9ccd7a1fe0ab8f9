/**
 * A load generator process of the storm bench: members that come back when their gateway is killed,
 * members that see what that costs them, and publishers.
 */
import { monotonicUs } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import { ReadBuffer } from "./socket.ts";
import { StormMember, type StormMemberParts } from "./storm-member.ts";
import type { SecondLatency, StormCommand, StormPlan, StormReply } from "./storm-protocol.ts";
import { StormPublisher, stormRoom } from "./storm-publisher.ts";

/** Handshakes at once while members are opened, below the gateway's listen backlog of 512. */
const DIALING_MAX = 128;
/** Members that are not back after this are not coming, ms. */
const BACK_MS_MAX = 90_000;
/** Without a message for so long, what is missing counts as lost, ms. */
const SETTLE_MS = 5000;
/** How often it is looked whether all are there, ms. */
const LOOK_MS = 20;
/** As socket.ts has it: so many sockets share a source address. */
const SOCKETS_PER_ADDRESS = 25_000;

class StormGenerator {
  readonly #shared = new ReadBuffer();
  readonly #members: StormMember[] = [];
  readonly #publishers: StormPublisher[] = [];
  readonly #reply: (message: StormReply) => void;
  readonly #latencies = new Map<string, { second: number; class: string; latency: Histogram }>();
  #onJoined: () => void = () => {};
  #messageAtUs = 0;
  #shedCount = 0;
  #failedDialCount = 0;

  constructor(reply: (message: StormReply) => void) {
    this.#reply = reply;
  }

  handle(command: StormCommand): void {
    switch (command.kind) {
      case "open":
        this.#open(command.plan);
        return;
      case "publish":
        this.#publishers.push(
          new StormPublisher(command.plan, this.#shared, () => this.#reply({ kind: "publishing" })),
        );
        return;
      case "stop":
        this.#stop();
        return;
      case "back":
        this.#back();
        return;
      case "settle":
        this.#settle(command.last);
        return;
      case "take":
        this.#reply({ kind: "taken", seconds: this.#seconds() });
        return;
      default:
        command satisfies never;
    }
  }

  /** Ends every connection. */
  reset(): void {
    for (const each of [...this.#members, ...this.#publishers]) each.reset();
  }

  #open(plan: StormPlan): void {
    const again = new URL(plan.againUrl);
    const urls = plan.urls.map((url) => new URL(url));
    const parts: StormMemberParts = {
      shared: this.#shared,
      onJoined: () => this.#onJoined(),
      onMessage: (_member, latencyUs) => this.#record(plan.class, latencyUs),
      onShed: () => {
        this.#shedCount += 1;
      },
      onFailedDial: () => {
        this.#failedDialCount += 1;
      },
    };
    const count = plan.roomCount * plan.membersPerRoom;
    const members = Array.from({ length: count }, (_, i) => {
      const room = stormRoom(plan.class, plan.firstRoom + Math.floor(i / plan.membersPerRoom));
      return new StormMember(parts, room, plan.source * SOCKETS_PER_ADDRESS + i, again);
    });
    this.#members.push(...members);
    let dialedCount = 0;
    const dialNext = (): void => {
      const url = urls[dialedCount % urls.length];
      if (url !== undefined) members[dialedCount]?.dial(url);
      dialedCount += 1;
    };
    let joinedCount = 0;
    this.#onJoined = () => {
      joinedCount += 1;
      dialNext();
      if (joinedCount < members.length) return;
      this.#onJoined = () => {};
      this.#reply({ kind: "opened" });
    };
    for (let i = 0; i < DIALING_MAX; i += 1) dialNext();
  }

  #record(roomClass: string, latencyUs: number): void {
    this.#messageAtUs = monotonicUs();
    const second = Math.floor(this.#messageAtUs / 1e6);
    const key = `${roomClass} ${second}`;
    let row = this.#latencies.get(key);
    if (row === undefined) {
      row = { second, class: roomClass, latency: new Histogram() };
      this.#latencies.set(key, row);
    }
    row.latency.record(latencyUs);
  }

  #seconds(): SecondLatency[] {
    return [...this.#latencies.values()].map((row) => ({ ...row, latency: row.latency.toPlain() }));
  }

  #stop(): void {
    const all: Record<string, number> = {};
    let openCount = this.#publishers.length;
    for (const publisher of this.#publishers) {
      publisher.stop((last) => {
        Object.assign(all, last);
        openCount -= 1;
        if (openCount === 0) this.#reply({ kind: "stopped", last: all });
      });
    }
  }

  /** Every member's connection has broken once, and all are in again. */
  #back(): void {
    this.#when(
      BACK_MS_MAX,
      () => this.#members.every(({ isIn, lostCount }) => isIn && lostCount > 0),
      () => {
        const back = this.#members.filter(({ isIn, lostCount }) => isIn && lostCount > 0);
        this.#reply({
          kind: "back",
          backAtUs: Float64Array.from(back, ({ joinedAtUs }) => joinedAtUs),
          recoveredCount: back.filter(({ isRecovered }) => isRecovered).length,
          shedCount: this.#shedCount,
          failedDialCount: this.#failedDialCount,
        });
      },
    );
  }

  #settle(last: Readonly<Record<string, number>>): void {
    const isExact = (member: StormMember) =>
      member.brokenBy === "" && member.isIn && member.number === (last[member.room] ?? 0);
    let quietCount = 0;
    let messageAtUs = this.#messageAtUs;
    // In looks, not time: a generator that got no core for so long has not read what came.
    const isQuiet = () => {
      quietCount = messageAtUs === this.#messageAtUs ? quietCount + 1 : 0;
      messageAtUs = this.#messageAtUs;
      return quietCount * LOOK_MS > SETTLE_MS;
    };
    const isDone = () => isQuiet() || this.#members.every(isExact);
    this.#when(BACK_MS_MAX, isDone, () => {
      const exactCount = this.#members.filter(isExact).length;
      const reasons = this.#publishers.flatMap((each) => each.reasons);
      reasons.push(...this.#missing(isExact, last));
      this.#reply({ kind: "settled", exactCount, memberCount: this.#members.length, reasons });
    });
  }

  /** Why members are not exact: each kind with its count. */
  #missing(
    isExact: (member: StormMember) => boolean,
    last: Readonly<Record<string, number>>,
  ): string[] {
    const counts = new Map<string, number>();
    for (const member of this.#members) {
      if (isExact(member)) continue;
      const isBehind = member.number < (last[member.room] ?? 0);
      const kind =
        member.brokenBy || (member.isIn ? (isBehind ? "is behind" : "is ahead") : "is not in");
      counts.set(kind, (counts.get(kind) ?? 0) + 1);
    }
    return [...counts].map(([kind, count]) => `${count} members: ${kind}`);
  }

  /** Calls `done` once when `isTrue`, or after some time. */
  #when(msMax: number, isTrue: () => boolean, done: () => void): void {
    const endUs = monotonicUs() + msMax * 1000;
    const timer = setInterval(() => {
      if (!isTrue() && monotonicUs() < endUs) return;
      clearInterval(timer);
      done();
    }, LOOK_MS);
  }
}

const generator = new StormGenerator((message) => process.send?.(message));
process.on("message", (command: StormCommand) => generator.handle(command));
process.once("disconnect", () => {
  generator.reset();
  setImmediate(() => process.exit());
});
