/**
 * Catching up: from a position in the store to the live messages, for one member.
 *
 * The same for a join that resumes, a join with history, and a slow member that has drained. Pages
 * are read while a slot is held and sent at once; when the socket is full the rest of the page is
 * dropped and read again after the drain, so a member that waits holds no memory. The last step
 * (from the room's recent messages onto its topic) is one loop turn: nothing is missed and nothing
 * is doubled.
 */
import type { Bus, DurableMessage } from "../bus/bus.ts";
import { comparePositions, isBeyond, type Position } from "../bus/position.ts";
import { isVoid } from "../bus/void.ts";
import { GapReason } from "../proto/gen/tidegate/client/v1/message.ts";
import { MemberState, type Membership } from "./connection.ts";
import type { ConnectionLog } from "./connection-log.ts";
import { justBefore, wirePosition } from "./fanout.ts";
import type { ClientJournal } from "./journal/client-journal.ts";
import { lossReason } from "./local-room.ts";
import type { MessageMeter } from "./metrics/message-meter.ts";
import type { Sender } from "./sender.ts";
import { encodeServerFrame, MessageFrameWriter } from "./server-frames.ts";
import { Slots } from "./slots.ts";
import type { ReadTrace, ReadTraces } from "./tracing/read-traces.ts";

/** Messages of one page. */
export const CATCH_UP_PAGE = 128;
/** Pages read at once: more only queue in the store, and a page of large messages is 8 MiB. */
export const CATCH_UP_AT_ONCE_MAX = 16;
/** Bytes written to a socket between two looks at how much it has taken. */
const CHUNK_BYTES = 64 * 1024;
/** A failed read is tried again after this, ms. */
const RETRY_MS = 200;

export class CatchUp {
  readonly #bus: Bus;
  readonly #sender: Sender;
  readonly #log: ConnectionLog;
  readonly #journal: ClientJournal;
  readonly #meter: MessageMeter;
  readonly #traces: ReadTraces;
  /** Those that are sampled. */
  readonly #open = new Map<Membership, ReadTrace>();
  readonly #slots = new Slots(CATCH_UP_AT_ONCE_MAX);
  readonly #writer = new MessageFrameWriter();

  constructor(
    bus: Bus,
    sender: Sender,
    log: ConnectionLog,
    journal: ClientJournal,
    meter: MessageMeter,
    traces: ReadTraces,
  ) {
    this.#traces = traces;
    this.#bus = bus;
    this.#sender = sender;
    this.#log = log;
    this.#journal = journal;
    this.#meter = meter;
  }

  /**
   * Sends what comes after `membership.sent` until the member is live, has left, or its socket is
   * full (then it is WAITING, and this is called again after the drain).
   *
   * @param first messages after `sent` that were read already.
   */
  start(membership: Membership, first: readonly DurableMessage[] = []): void {
    membership.state = MemberState.CATCHING_UP;
    const { room, connection, sent } = membership;
    room.beginCatchUp();
    const isBehind = first.length > 0 || !isAtPlace(sent, room.place);
    const trace = isBehind ? this.#traces.beginResume(connection, room.address, sent) : null;
    if (trace !== null) this.#open.set(membership, trace);
    this.#run(membership, first)
      .catch((error: unknown) => this.#fail(membership, error))
      .finally(() => {
        room.endCatchUp();
        if (trace !== null) this.#endTrace(membership, trace);
      });
  }

  /** Does nothing to a trace that has failed. */
  #endTrace(membership: Membership, trace: ReadTrace): void {
    this.#open.delete(membership);
    const { state, sent } = membership;
    const isLive = state === MemberState.LIVE;
    const isWaiting = state === MemberState.WAITING;
    trace.end(sent, isLive ? "live" : isWaiting ? "waits for its socket" : "left");
  }

  async #run(membership: Membership, first: readonly DurableMessage[]): Promise<void> {
    if (!this.#send(membership, first)) return;
    while (!this.#goLive(membership)) {
      if (membership.state !== MemberState.CATCHING_UP) return;
      const isEnd = await this.#sendPage(membership);
      if (isEnd === null) return;
      const { sent, room } = membership;
      // A room that has lost messages may never come to where they were.
      const isSameHistory = membership.lossCount === room.lossCount;
      if (isEnd && isSameHistory && sent !== null && !room.hasReached(sent)) await room.reach(sent);
    }
  }

  /** @returns whether the page reached the end, or null when the run is over. */
  async #sendPage(membership: Membership): Promise<boolean | null> {
    await this.#slots.acquire();
    try {
      if (!isCatchingUp(membership)) return null;
      const { address } = membership.room;
      const read = await this.#bus.readAfter(address, membership.sent, CATCH_UP_PAGE);
      if (!isCatchingUp(membership)) return null;
      if (!read.isContinuous) {
        const [oldest] = read.messages;
        const until = oldest === undefined ? membership.room.place : justBefore(oldest);
        this.sendGap(membership, lossReason(membership.sent, read), 0, until);
        membership.lostAfter = membership.sent;
        if (read.messages.length === 0) membership.sent = membership.room.place;
      }
      return this.#send(membership, read.messages) ? read.isEnd : null;
    } finally {
      this.#slots.release();
    }
  }

  /** Onto the topic, if all messages up to now are sent or can be sent in this turn. */
  #goLive(membership: Membership): boolean {
    const { room, connection, sent } = membership;
    if (!isCatchingUp(membership)) return false;
    if (membership.lossCount !== room.lossCount) {
      // Live members were told; and the next page says whether `sent` still is in the history.
      membership.lossCount = room.lossCount;
      this.sendGap(membership, GapReason.POSITION_UNKNOWN, 0, null);
      return false;
    }
    if (!isAtPlace(sent, room.place)) {
      const recent = sent === null ? null : room.recent?.after(sent.epoch, sent.seq);
      if (!recent || !this.#send(membership, recent)) return false;
    }
    const isHeldUp = connection.isLagging || this.#sender.isHolding(connection);
    if (isHeldUp || connection.socket === null) {
      membership.state = MemberState.WAITING;
      return false;
    }
    membership.state = MemberState.LIVE;
    membership.lostAfter = null;
    connection.socket.subscribe(room.topic);
    return true;
  }

  /** @returns false when the socket is full and the member now waits for its drain, or is gone. */
  #send(membership: Membership, messages: readonly DurableMessage[]): boolean {
    let index = 0;
    while (index < messages.length) {
      const { socket } = membership.connection;
      if (socket === null || !isCatchingUp(membership)) return false;
      socket.cork(() => {
        index = this.#sendChunk(membership, messages, index);
      });
    }
    return isCatchingUp(membership);
  }

  /** @returns the index of the first message not sent; a full socket makes the member WAITING. */
  #sendChunk(membership: Membership, messages: readonly DurableMessage[], from: number): number {
    let index = from;
    for (let bytes = 0; index < messages.length && bytes < CHUNK_BYTES; index += 1) {
      const message = messages[index];
      if (message === undefined) break;
      if (this.#isToSend(membership, message)) {
        const frame = this.#frame(membership, message);
        if (!this.#sender.trySend(membership.connection, frame)) {
          membership.state = MemberState.WAITING;
          return messages.length;
        }
        bytes += frame.length;
        if (this.#open.size > 0) this.#open.get(membership)?.count(frame.length);
      }
      membership.sent = { epoch: message.epoch, seq: message.seq, timeUs: message.timeUs };
    }
    return index;
  }

  /** Not when void, nor when the member had it before the history went backwards. */
  #isToSend({ lostAfter }: Membership, message: DurableMessage): boolean {
    if (lostAfter !== null && !isBeyond(message, lostAfter)) return false;
    return !isVoid(message, this.#bus.publishLimits);
  }

  #frame({ room, sent }: Membership, message: DurableMessage): Uint8Array {
    const isSameEpoch = sent === null || sent.epoch === message.epoch;
    const prevSeq = isSameEpoch ? Math.min(message.prevSeq, sent?.seq ?? 0) : 0;
    return this.#writer.durable(room.alias, message, prevSeq, message.envelope);
  }

  /** Tells one member that messages after `membership.sent` are missing, to `until` if known. */
  sendGap(
    membership: Membership,
    reason: GapReason,
    missedCount: number,
    until: Position | null,
  ): void {
    this.#meter.noteGap("fanout", reason, missedCount);
    const { room, connection, sent } = membership;
    this.#journal.gap(membership, reason, missedCount, until);
    const value = {
      roomAlias: room.alias,
      reason,
      missedCount: BigInt(missedCount),
      after: sent === null ? undefined : wirePosition(sent),
    };
    this.#sender.send(connection, encodeServerFrame({ $case: "gap", value }));
  }

  #fail(membership: Membership, error: unknown): void {
    const trace = this.#open.get(membership);
    if (trace === undefined) this.#traces.recordFailure("resume", membership.room.address, error);
    else trace.fail(error);
    const fields = { room: membership.room.address.room, error };
    this.#log.warn(membership.connection, fields, "reading a room failed; again soon");
    setTimeout(() => {
      if (isCatchingUp(membership)) this.start(membership);
    }, RETRY_MS).unref();
  }
}

function isCatchingUp(membership: Membership): boolean {
  return membership.state === MemberState.CATCHING_UP && membership.connection.socket !== null;
}

function isAtPlace(sent: Position | null, place: Position | null): boolean {
  if (sent === null || place === null) return sent === place;
  return comparePositions(sent, place) === 0 && sent.timeUs === place.timeUs;
}
