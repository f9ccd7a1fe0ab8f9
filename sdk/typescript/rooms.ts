/**
 * All rooms of a client: who is joined, under which alias, and whose requests are unanswered.
 *
 * Joins asked for in the same turn go out as one frame.
 */
import { TidegateError } from "./error.ts";
import { frameError } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Joined } from "./gen/tidegate/client/v1/room.ts";
import type { Link } from "./link.ts";
import type { ReadPause } from "./read-pause.ts";
import type { RoomEnd } from "./room-link.ts";

/** Rooms of one Join frame, as the protocol bounds it. */
const JOIN_COUNT_MAX = 256;
/** Bytes of one room in a Join besides its name: position, count and tags. */
const JOIN_ROOM_BYTES = 48;

/** What the rooms need of the client. */
export interface RoomsLink extends Pick<Link, "clock" | "send" | "nextRequestId"> {
  /** Where the runtime can stop reading. */
  readonly pause: ReadPause | undefined;
  /** Whether an answer is being waited for, which must be read. */
  readonly isBusy: boolean;
}

export class Rooms {
  readonly #link: RoomsLink;
  readonly #byName = new Map<string, RoomEnd>();
  readonly #byAlias = new Map<number, RoomEnd>();
  /** Rooms of each unanswered Join. */
  readonly #joining = new Map<number, Set<RoomEnd>>();
  /** Room of each unanswered Leave. */
  readonly #leaving = new Map<number, RoomEnd>();
  readonly #wanting = new Set<RoomEnd>();
  #isOpen = false;
  #frameBytesMax = 0;

  constructor(link: RoomsLink) {
    this.#link = link;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  byAlias(alias: number): RoomEnd | undefined {
    return this.#byAlias.get(alias);
  }

  /** The alias of a room that is in, else 0. */
  aliasOf(name: string): number {
    const state = this.#byName.get(name)?.state;
    return state?.is === "in" ? state.alias : 0;
  }

  /** Whether a room is to be in, and is not yet. */
  isJoining(name: string): boolean {
    const state = this.#byName.get(name)?.state;
    if (state?.is === "leaving") return state.next === "rejoin";
    return state?.is === "out" || state?.is === "joining";
  }

  /** Whether a room that is in is durable; null for others. */
  modeOf(name: string): boolean | null {
    const room = this.#byName.get(name);
    return room?.state.is === "in" ? room.policy.isDurable : null;
  }

  add(room: RoomEnd): void {
    this.#byName.set(room.name, room);
    this.requestJoin(room);
  }

  remove(room: RoomEnd): void {
    if (this.#byName.get(room.name) === room) this.#byName.delete(room.name);
    this.#wanting.delete(room);
    for (const [alias, other] of this.#byAlias) if (other === room) this.#byAlias.delete(alias);
  }

  requestJoin(room: RoomEnd): void {
    if (this.#wanting.size === 0) queueMicrotask(() => this.#sendJoins());
    this.#wanting.add(room);
  }

  sendLeave(room: RoomEnd, roomAlias: number): void {
    if (!this.#isOpen) return;
    const requestId = this.#link.nextRequestId();
    this.#leaving.set(requestId, room);
    this.#link.send({ $case: "leave", value: { requestId, roomAlias } });
  }

  /** @param frameBytesMax largest frame the gateway takes, bytes. */
  onWelcome(frameBytesMax: number): void {
    this.#isOpen = true;
    this.#frameBytesMax = frameBytesMax || 65_536;
    for (const room of this.#byName.values()) if (room.state.is === "out") this.requestJoin(room);
    this.#sendJoins();
  }

  onBreak(): void {
    this.#isOpen = false;
    this.#link.pause?.onBreak();
    this.#byAlias.clear();
    this.#joining.clear();
    this.#leaving.clear();
    this.#wanting.clear();
    for (const room of [...this.#byName.values()]) room.onBreak();
  }

  onJoined(joined: Joined): void {
    const room = this.#byName.get(joined.room);
    if (room === undefined) return;
    this.#settleJoin(joined.requestId, room);
    this.#byAlias.set(joined.roomAlias, room);
    room.onJoined(joined);
  }

  onLeft(alias: number, code: string): void {
    const room = this.#byAlias.get(alias);
    this.#byAlias.delete(alias);
    for (const [id, other] of this.#leaving) if (other === room) this.#leaving.delete(id);
    room?.onLeft(code);
  }

  /** Returns whether the error was the answer to a Join or Leave. */
  onError(frame: ErrorFrame): boolean {
    const left = this.#leaving.get(frame.requestId);
    if (left !== undefined) {
      this.#leaving.delete(frame.requestId);
      left.onLeft("");
      return true;
    }
    const joining = this.#joining.get(frame.requestId);
    if (joining === undefined) return false;
    for (const room of [...joining]) {
      if (frame.room !== "" && frame.room !== room.name) continue;
      this.#settleJoin(frame.requestId, room);
      room.onJoinError(frameError(frame));
    }
    return true;
  }

  end(error: TidegateError | null): void {
    this.#isOpen = false;
    this.#link.pause?.onBreak();
    for (const room of [...this.#byName.values()]) room.end(error);
  }

  /** Whether no answer is being waited for. */
  get isFree(): boolean {
    return this.#isOpen && this.#joining.size + this.#leaving.size === 0 && !this.#link.isBusy;
  }

  all(): Iterable<RoomEnd> {
    return this.#byName.values();
  }

  #settleJoin(requestId: number, room: RoomEnd): void {
    const joining = this.#joining.get(requestId);
    joining?.delete(room);
    if (joining?.size === 0) this.#joining.delete(requestId);
  }

  /** One Join for all that want in, or as many as their names need. */
  #sendJoins(): void {
    if (!this.#isOpen) return;
    let batch: RoomEnd[] = [];
    let bytes = 0;
    for (const room of this.#wanting) {
      if (room.state.is !== "out") continue;
      const roomBytes = JOIN_ROOM_BYTES + room.name.length * 3;
      if (batch.length >= JOIN_COUNT_MAX || bytes + roomBytes > this.#frameBytesMax) {
        this.#sendJoin(batch);
        batch = [];
        bytes = 0;
      }
      batch.push(room);
      bytes += roomBytes;
    }
    this.#wanting.clear();
    if (batch.length > 0) this.#sendJoin(batch);
  }

  #sendJoin(batch: readonly RoomEnd[]): void {
    if (batch.length === 0) return;
    const requestId = this.#link.nextRequestId();
    this.#joining.set(requestId, new Set(batch));
    const rooms = batch.map((room) => room.join());
    if (this.#link.send({ $case: "join", value: { requestId, rooms } })) return;
    this.#joining.delete(requestId);
    for (const room of batch) {
      room.onJoinError(new TidegateError("ROOM_NAME_INVALID", `${room.name} fits no frame`));
    }
  }
}
