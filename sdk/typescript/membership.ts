/**
 * One room's membership on the wire: in or out, where to resume, and whether a message is next.
 *
 * Pure: room.ts sends what it says and hands it what arrives. A membership outlives connections;
 * what lasts is the place reached, from which every new Join resumes.
 */
import { type ChainMode, type ChainPlace, judgeChain } from "./chain.ts";
import type { Message, Position } from "./gen/tidegate/client/v1/message.ts";
import type { Joined, JoinRoom } from "./gen/tidegate/client/v1/room.ts";

/** Most messages a Join may ask to replay (JoinRoom.history). */
export const JOIN_HISTORY_MAX = 500;

/** What to do once Left has come: join again now, when the application has drained, or never. */
export type AfterLeave = "rejoin" | "park" | "end";

/** Where a membership stands on this connection. */
export type MembershipState =
  | { readonly is: "out" }
  | { readonly is: "joining" }
  | { readonly is: "in"; readonly alias: number }
  | { readonly is: "leaving"; readonly alias: number; readonly next: AfterLeave }
  | { readonly is: "parked" }
  | { readonly is: "ended" };

/** What a Joined means for the stream of events. */
export interface JoinedVerdict {
  /** The first Joined of this room: what `join` was waiting for. */
  readonly isFirst: boolean;
  /** Messages since the place reached are lost; say so before the next one. */
  readonly isLoss: boolean;
}

export class Membership {
  readonly #history: number;
  #state: MembershipState = { is: "out" };
  #place: ChainPlace;
  #mode: ChainMode = "anew";
  /** Of the first Joined, when history was wanted: used until its first message has come. */
  #head: Position | null = null;
  #isBackAtHead = false;
  #hasJoined = false;
  #isAfterBreach = false;
  /** Of the last message of an ephemeral room on this membership; 0 when the count starts anew. */
  #ephemeralSeq = 0;

  /**
   * @param history newest messages wanted when there is no place to resume from, 0 to 500.
   * @param place where the application wants to resume, or null.
   */
  constructor(history: number, place: ChainPlace) {
    this.#history = history;
    this.#place = place;
  }

  get state(): MembershipState {
    return this.#state;
  }

  /** The alias while messages of the room are to be taken, else 0. */
  get alias(): number {
    return this.#state.is === "in" ? this.#state.alias : 0;
  }

  /** The Join to send now; the state becomes joining. */
  join(room: string): JoinRoom {
    this.#state = { is: "joining" };
    const place = this.#place;
    if (place === "empty") return { room, after: undefined, history: JOIN_HISTORY_MAX };
    return { room, after: place ?? undefined, history: this.#history };
  }

  /** A Joined came: also unasked, when the gateway itself re-joined the member. */
  onJoined(joined: Joined): JoinedVerdict {
    const isFirst = !this.#hasJoined;
    const isDurable = !!joined.policy?.durable;
    const wasEmpty = this.#place === "empty";
    this.#hasJoined = true;
    this.#ephemeralSeq = 0;
    this.#state = { is: "in", alias: joined.roomAlias };
    if (!isDurable) {
      const isLoss = !isFirst || this.#place !== null;
      this.#place = null;
      this.#mode = "anew";
      return { isFirst, isLoss };
    }
    if (joined.recovered === true) {
      this.#mode = this.#isAfterBreach ? "vouched" : "strict";
      return { isFirst, isLoss: false };
    }
    // Asked for the newest of a room that was empty: whole if the first has no predecessor.
    this.#mode = wasEmpty && joined.requestId !== 0 ? "strict" : "anew";
    if (joined.requestId === 0 || wasEmpty) return { isFirst, isLoss: joined.recovered === false };
    if (this.#head !== null && this.#place === null) this.#isBackAtHead = true;
    else if (this.#history === 0 || joined.head === undefined) {
      // No replay follows, so the head is the place reached: a break before the first live message
      // must not lose it.
      this.#place = joined.head ?? "empty";
      this.#mode = joined.head === undefined ? "anew" : "strict";
    } else this.#head = joined.head;
    return { isFirst, isLoss: joined.recovered === false };
  }

  /**
   * Judges a message of this room; "next" must be followed by {@link onTaken}, once it is queued.
   */
  judge(message: Message): "next" | "old" | "missing" | "lost" {
    if (this.#state.is !== "in") return "old";
    if (this.lostCount(message) > 0) return "lost";
    if (this.#place === null && this.#startsBehindHead(message)) return "missing";
    const verdict = judgeChain(this.#place, this.#mode, message);
    // Nothing precedes the place "empty", so joining again would bring nothing more.
    return verdict === "missing" && this.#place === "empty" ? "lost" : verdict;
  }

  /** How many messages of an ephemeral room the gateway dropped before this one. */
  lostCount(message: Message): number {
    if (this.#ephemeralSeq === 0 || message.position !== undefined) return 0;
    return Math.max(0, message.ephemeralSeq - this.#ephemeralSeq - 1);
  }

  /** A message was queued: the place moves on. */
  onTaken(message: Message): void {
    this.#ephemeralSeq = message.ephemeralSeq;
    if (message.position !== undefined) this.#place = message.position;
    this.#mode = "strict";
    this.#isAfterBreach = false;
  }

  /** The gateway announced a gap: the chain starts anew. */
  onGap(): void {
    this.#ephemeralSeq = 0;
    this.#mode = "anew";
  }

  /** The chain is broken: leaving, to join again after the place reached. */
  onBreach(): void {
    this.#place ??= this.#head;
    this.#isAfterBreach = true;
    this.leave("rejoin");
  }

  /** Leave is being sent, or was, and what is to follow it has changed. */
  leave(next: AfterLeave): void {
    if (this.#state.is !== "in" && this.#state.is !== "leaving") return;
    this.#state = { is: "leaving", alias: this.#state.alias, next };
  }

  /** The answer to a Leave came, or the gateway took the member out. */
  onLeft(): void {
    if (this.#state.is === "ended") return;
    const next = this.#state.is === "leaving" ? this.#state.next : "rejoin";
    this.#state =
      next === "end" ? { is: "ended" } : next === "park" ? { is: "parked" } : { is: "out" };
  }

  /** The connection broke: out, except that who was parked stays so. */
  onBreak(): void {
    if (this.#state.is === "leaving") this.onLeft();
    else if (this.#state.is === "in" || this.#state.is === "joining") this.#state = { is: "out" };
  }

  /**
   * The application has drained: a parked member is to join again. Returns whether it was parked.
   */
  unpark(): boolean {
    if (this.#state.is === "leaving" && this.#state.next === "park") {
      this.#state = { ...this.#state, next: "rejoin" };
      return false;
    }
    if (this.#state.is !== "parked") return false;
    this.#state = { is: "out" };
    return true;
  }

  /** Over for good. */
  end(): void {
    this.#state = { is: "ended" };
  }

  /**
   * Whether live messages are missing before the first of the wanted history: it was asked for
   * again after a break, more than it holds have come meanwhile, and so it begins behind the head
   * of the first Joined. (In a later epoch that can not be known, so it counts as missing.)
   */
  #startsBehindHead(message: Message): boolean {
    const head = this.#head;
    const position = message.position;
    if (!this.#isBackAtHead || head === null || position === undefined) return false;
    if (position.epoch !== head.epoch) return position.epoch > head.epoch;
    return message.prevSeq > head.seq;
  }
}
