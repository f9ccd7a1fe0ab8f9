/**
 * A load generator process for durable rooms: members that publish, lose their gateway and resume,
 * and connections that join many rooms.
 */
import { monotonicUs } from "./clock.ts";
import { Histogram } from "./histogram.ts";
import { dueAtUs, dueCount } from "./pace.ts";
import { RoomJoiner } from "./room-joiner.ts";
import { RoomMember, type RoomMemberParts } from "./room-member.ts";
import type { RoomCommand, RoomPlan, RoomReply } from "./room-protocol.ts";
import { ReadBuffer } from "./socket.ts";
import { Tally, takeFigures } from "./tally.ts";

/** Handshakes at once, below the gateway's listen backlog of 512. Joins are not held back. */
const DIALING_MAX = 256;
/** Publish timer: Node's finest. */
const TICK_MS = 1;
/** Without a delivery for so long, what is missing counts as lost. */
const SETTLE_MS = 3000;
/** Members that are not back after this are not coming, ms. */
const RESUME_MS_MAX = 60_000;

class RoomGenerator {
  readonly #tally = new Tally();
  readonly #shared = new ReadBuffer();
  readonly #members: RoomMember[] = [];
  readonly #publishers: RoomMember[] = [];
  readonly #joiners: RoomJoiner[] = [];
  readonly #reply: (message: RoomReply) => void;
  #ackedCount = 0;
  #awaitedAcks = 0;
  #onWelcome: () => void = () => {};
  #onReady: (member: RoomMember) => void = () => {};

  constructor(reply: (message: RoomReply) => void) {
    this.#reply = reply;
  }

  handle(command: RoomCommand): void {
    switch (command.kind) {
      case "open":
        this.#open(command.plan);
        return;
      case "publish":
        this.#publish(command.count, command.ratePerS);
        return;
      case "settle":
        this.#settle(command.number);
        return;
      case "part":
        for (const member of this.#members) member.isParted = true;
        this.#reply({ kind: "parted" });
        return;
      case "resume":
        this.#resume(new URL(command.url), command.number);
        return;
      case "join":
        this.#join(command);
        return;
      case "take":
        this.#reply(takeFigures(this.#tally));
        return;
      default:
        command satisfies never;
    }
  }

  /** Ends every connection. */
  reset(): void {
    for (const each of [...this.#members, ...this.#joiners]) each.reset();
  }

  #open({ url, roomCount, membersPerRoom, isJoining }: RoomPlan): void {
    const parts: RoomMemberParts = {
      shared: this.#shared,
      tally: this.#tally,
      onWelcome: () => this.#onWelcome(),
      onReady: (member) => this.#onReady(member),
      onAck: () => this.#onAck(),
    };
    for (let i = 0; i < roomCount * membersPerRoom; i += 1) {
      const member = new RoomMember(parts, i, Math.floor(i / membersPerRoom), isJoining);
      this.#members.push(member);
      if (i % membersPerRoom === 0) this.#publishers.push(member);
    }
    this.#dialAll(new URL(url), 0, () => this.#reply({ kind: "opened" }));
  }

  /** Dials with every member, some handshakes at once; `onAllReady` when all are ready. */
  #dialAll(url: URL, wantedNumber: number, onAllReady: () => void): void {
    let dialedCount = 0;
    let readyCount = 0;
    const dialNext = (): void => {
      this.#members[dialedCount]?.dial(url, wantedNumber);
      dialedCount += 1;
    };
    this.#onWelcome = dialNext;
    this.#onReady = () => {
      readyCount += 1;
      if (readyCount === this.#members.length) onAllReady();
    };
    for (let i = 0; i < DIALING_MAX; i += 1) dialNext();
  }

  #publish(count: number, ratePerS: number): void {
    const startUs = monotonicUs();
    let sent = 0;
    this.#awaitedAcks = this.#ackedCount + count;
    const tick = (): void => {
      const elapsedUs = monotonicUs() - startUs;
      const due = dueCount(elapsedUs, ratePerS, count);
      for (; sent < due; sent += 1) {
        this.#tally.sendLag.record(elapsedUs - dueAtUs(sent, ratePerS));
        this.#publishers[sent % this.#publishers.length]?.publish();
      }
      if (sent < count) setTimeout(tick, TICK_MS);
    };
    tick();
  }

  #onAck(): void {
    this.#ackedCount += 1;
    if (this.#ackedCount === this.#awaitedAcks) this.#reply({ kind: "published" });
  }

  #settle(number: number): void {
    let seen = -1;
    let seenUs = monotonicUs();
    const timer = setInterval(() => {
      if (this.#tally.deliveredCount !== seen) {
        seen = this.#tally.deliveredCount;
        seenUs = monotonicUs();
      }
      const isAll = this.#members.every((member) => member.number >= number);
      if (!isAll && monotonicUs() - seenUs < SETTLE_MS * 1000) return;
      clearInterval(timer);
      this.#reply({ kind: "settled" });
    }, 10);
  }

  #resume(url: URL, number: number): void {
    const startUs = monotonicUs();
    const repeatedBefore = this.#tally.repeatedCount + this.#tally.lostCount;
    const end = (): void => {
      clearTimeout(timer);
      const latency = new Histogram();
      let exactCount = 0;
      for (const member of this.#members) {
        latency.record(member.readyUs - member.dialedUs);
        if (member.isRecovered && member.number === number) exactCount += 1;
      }
      if (this.#tally.repeatedCount + this.#tally.lostCount > repeatedBefore) exactCount = 0;
      const elapsedUs = monotonicUs() - startUs;
      this.#reply({ kind: "resumed", elapsedUs, exactCount, latency: latency.toPlain() });
    };
    const timer = setTimeout(end, RESUME_MS_MAX);
    this.#dialAll(url, number, end);
  }

  #join({ url, firstRoom, roomCount, inTurn }: Extract<RoomCommand, { kind: "join" }>): void {
    const latency = new Histogram();
    const onDone = (): void => this.#reply({ kind: "joined", latency: latency.toPlain() });
    const rooms = [firstRoom, firstRoom + roomCount] as const;
    const target = new URL(url);
    this.#joiners.push(
      new RoomJoiner(target, this.#shared, this.#tally, rooms, inTurn, latency, onDone),
    );
  }
}

const generator = new RoomGenerator((message) => process.send?.(message));
process.on("message", (command: RoomCommand) => generator.handle(command));
process.once("disconnect", () => {
  generator.reset();
  setImmediate(() => process.exit());
});
