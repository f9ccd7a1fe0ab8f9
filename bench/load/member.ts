/**
 * One connection joined to one room, which checks the order of what it receives and may publish.
 */
import type { Adapter } from "./adapter.ts";
import { monotonicUs } from "./clock.ts";
import {
  buildPayload,
  hashDelivery,
  PAYLOAD_BYTES,
  readSentUs,
  readSeq,
  stampPayload,
} from "./payload.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import type { Tally } from "./tally.ts";

/** What a member is to do. */
export interface MemberPlan {
  /** Unique in the whole run; spreads source addresses. */
  readonly index: number;
  readonly room: number;
  /** Whether it records latency. Counting is done by all. */
  readonly isSampled: boolean;
  /** For its Hello; empty for none. */
  readonly token: string;
}

export class Member implements SocketEvents {
  readonly #plan: MemberPlan;
  readonly #adapter: Adapter;
  readonly #tally: Tally;
  readonly #socket: BenchSocket;
  readonly #onJoined: () => void;
  readonly #roomName: string;
  #isJoined = false;
  #lastSeq = 0;
  #nowUs = 0;
  #publishFrame: Buffer = Buffer.alloc(0);
  #publishedSeq = 0;

  constructor(
    url: URL,
    adapter: Adapter,
    shared: ReadBuffer,
    tally: Tally,
    plan: MemberPlan,
    onJoined: () => void,
  ) {
    this.#plan = plan;
    this.#adapter = adapter;
    this.#tally = tally;
    this.#onJoined = onJoined;
    this.#roomName = `live:${plan.room}`;
    this.#socket = new BenchSocket(url, adapter.subprotocol, plan.index, shared, this);
  }

  /**
   * Publishes the next `count` messages of this member's room in one write. The room's only
   * publisher: receivers expect its numbers to be contiguous.
   */
  publish(count: number): void {
    const size = this.#publishFrame.length;
    const bytes = Buffer.allocUnsafe(size * count);
    for (let i = 0; i < count; i += 1) {
      this.#publishedSeq += 1;
      this.#publishFrame.copy(bytes, i * size);
      const payload = (i + 1) * size - PAYLOAD_BYTES;
      stampPayload(bytes, payload, this.#publishedSeq, monotonicUs());
    }
    this.#tally.sentCount += count;
    this.#socket.send(bytes);
  }

  /** Ends the connection. */
  reset(): void {
    this.#socket.reset();
  }

  onOpen(): void {
    this.#socket.send(this.#adapter.hello(this.#plan.token));
  }

  onRead(): void {
    if (this.#plan.isSampled) this.#nowUs = monotonicUs();
  }

  /** Hot path, once per delivered message. Budget: no allocation. */
  onDelivery(view: DataView, at: number): void {
    const tally = this.#tally;
    const seq = readSeq(view, at);
    const expected = this.#lastSeq + 1;
    if (seq !== expected) {
      if (seq > expected) tally.lostCount += seq - expected;
      else tally.repeatedCount += 1;
    }
    if (seq > this.#lastSeq) this.#lastSeq = seq;
    tally.deliveredCount += 1;
    tally.hash = (tally.hash + hashDelivery(this.#plan.room, seq)) >>> 0;
    if (this.#plan.isSampled) tally.latency.record(this.#nowUs - readSentUs(view, at));
  }

  onFrame(content: Uint8Array): void {
    const step = this.#adapter.onFrame(content, this.#roomName);
    if (step.kind === "send") this.#socket.send(step.frame);
    if (step.kind === "failed") {
      if (!this.#isJoined) throw new Error(`a join failed: ${step.reason}`);
      this.#tally.fail(step.reason);
    }
    if (step.kind === "joined" && !this.#isJoined) {
      this.#isJoined = true;
      this.#publishFrame = this.#adapter.publishFrame(step.alias, buildPayload(this.#plan.room));
      this.#onJoined();
    }
  }

  /** Counts as an error; before the join it ends the process, since the run can not begin. */
  onBroken(reason: string): void {
    const text = `connection ${this.#plan.index}: ${reason}`;
    if (!this.#isJoined) throw new Error(text);
    this.#tally.fail(text);
  }
}
