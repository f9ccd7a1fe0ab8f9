/**
 * A load generator process: opens members, publishes on schedule, counts what arrives.
 *
 * Driven by its parent (load-process.ts) over IPC. Publishers and receivers run in processes of
 * their own, so that a burst of reads does not delay the schedule.
 */
import type { Adapter } from "./adapter.ts";
import { bareAdapter } from "./bare-adapter.ts";
import { monotonicUs } from "./clock.ts";
import { Member } from "./member.ts";
import { dueAtUs, dueCount } from "./pace.ts";
import type { LoadCommand, LoadPlan, LoadReply, System } from "./protocol.ts";
import { ReadBuffer } from "./socket.ts";
import { Tally, takeFigures } from "./tally.ts";
import { tidegateAdapter } from "./tidegate-adapter.ts";
import { makeToken } from "./token.ts";

/** Handshakes at once: enough to keep the server busy, below its listen backlog of 512. */
const OPENING_MAX = 128;
/** Publish timer: Node's finest. */
const TICK_MS = 1;
/** Without a delivery for so long, what is missing counts as lost. */
const SETTLE_MS = 2000;

const adapters: Record<System, Adapter> = {
  bare: bareAdapter,
  "bare-nats": bareAdapter,
  tidegate: tidegateAdapter,
  "tidegate-limits": tidegateAdapter,
  "tidegate-telemetry-absent": tidegateAdapter,
  "tidegate-traced-1": tidegateAdapter,
  "tidegate-traced-100": tidegateAdapter,
  "tidegate-full": tidegateAdapter,
};

class Generator {
  readonly #shared = new ReadBuffer();
  readonly #tally = new Tally();
  readonly #members: Member[] = [];
  readonly #publishers: Member[] = [];
  readonly #reply: (message: LoadReply) => void;

  constructor(reply: (message: LoadReply) => void) {
    this.#reply = reply;
  }

  handle(command: LoadCommand): void {
    switch (command.kind) {
      case "open":
        this.#open(command.plan);
        return;
      case "publish":
        this.#publish(command.count, command.ratePerS);
        return;
      case "settle":
        this.#settle(command.deliveredCount);
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
    for (const member of this.#members) member.reset();
  }

  #open(plan: LoadPlan): void {
    const url = new URL(plan.url);
    const adapter = adapters[plan.system];
    const { privateKey = "" } = plan;
    const perRoom = plan.endMember - plan.firstMember;
    const count = plan.roomCount * perRoom;
    let started = 0;
    let joined = 0;
    const startNext = (): void => {
      if (started === count) return;
      const number = started;
      started += 1;
      const room = plan.firstRoom + Math.floor(number / perRoom);
      const isSampled = number % plan.sampleEvery === 0;
      const index = plan.firstIndex + number;
      const token = privateKey === "" ? "" : makeToken(privateKey, index, "default", "live");
      const memberPlan = { index, room, isSampled, token };
      const onJoined = (): void => {
        joined += 1;
        if (joined === count) this.#reply({ kind: "opened" });
        startNext();
      };
      const member = new Member(url, adapter, this.#shared, this.#tally, memberPlan, onJoined);
      this.#members.push(member);
      if (plan.firstMember + (number % perRoom) === 0) this.#publishers.push(member);
    };
    for (let i = 0; i < Math.min(OPENING_MAX, count); i += 1) startNext();
  }

  /** Each tick: what is due by then, over the publishers in turn, one write per publisher. */
  #publish(count: number, ratePerS: number): void {
    const startUs = monotonicUs();
    const publisherCount = this.#publishers.length;
    const lag = this.#tally;
    let sent = 0;
    const tick = (): void => {
      const elapsedUs = monotonicUs() - startUs;
      const due = dueCount(elapsedUs, ratePerS, count) - sent;
      for (let i = 0; i < due; i += 1) lag.sendLag.record(elapsedUs - dueAtUs(sent + i, ratePerS));
      for (let turn = 0; turn < Math.min(due, publisherCount); turn += 1) {
        const share = Math.floor((due - 1 - turn) / publisherCount) + 1;
        this.#publishers[(sent + turn) % publisherCount]?.publish(share);
      }
      sent += due;
      if (sent < count) setTimeout(tick, TICK_MS);
      else this.#reply({ kind: "published" });
    };
    tick();
  }

  #settle(deliveredCount: number): void {
    let seen = this.#tally.deliveredCount;
    let seenUs = monotonicUs();
    const timer = setInterval(() => {
      const nowUs = monotonicUs();
      if (this.#tally.deliveredCount !== seen) {
        seen = this.#tally.deliveredCount;
        seenUs = nowUs;
      }
      if (seen < deliveredCount && nowUs - seenUs < SETTLE_MS * 1000) return;
      clearInterval(timer);
      this.#reply({ kind: "settled" });
    }, 10);
  }
}

const generator = new Generator((message) => process.send?.(message));
process.on("message", (command: LoadCommand) => generator.handle(command));
process.once("disconnect", () => {
  generator.reset();
  setImmediate(() => process.exit());
});
