/**
 * Reads for members that resume, shared: when a gateway dies, its members come back together, most
 * of a room's with the same last position.
 *
 * One read serves all that ask for the same position of a room while it runs (5 000 members of 500
 * rooms: 500 reads instead of 5 000), and a bounded number run at once, since more only queue in
 * the store until they time out. An answer is not kept when it has come: what is stored meanwhile
 * reaches a member as it reaches the room's live ones, by its catch-up (R5, R9).
 */
import type { Bus, ReadAfter } from "../bus/bus.ts";
import type { Position } from "../bus/position.ts";
import { formatPosition } from "../bus/position.ts";
import type { LocalRoom } from "./local-room.ts";
import { Slots } from "./slots.ts";

/** Messages read to decide a resume; most resumes need no more. */
export const RESUME_PAGE = 128;
/** Reads at once: enough to keep three servers busy, so few that none waits a second. */
export const RESUME_READS_AT_ONCE_MAX = 64;

/** What a resume is decided by. */
export interface ResumeRead {
  readonly read: ReadAfter;
  /** Position of the oldest message within the class's count; null when no read one is older. */
  readonly floor: Position | null;
}

export class ResumeReads {
  readonly #bus: Bus;
  readonly #slots = new Slots(RESUME_READS_AT_ONCE_MAX);
  /** By room (as opened, with its policy's count) and position. */
  readonly #running = new Map<string, Promise<ResumeRead>>();

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /**
   * Reads on from a member's position, alone or together with others.
   *
   * @throws {CodedError} what the bus throws, to all that share the read.
   */
  read(room: LocalRoom, after: Position): Promise<ResumeRead> {
    const key = `${room.alias} ${room.policy.historyCountMax} ${formatPosition(after)}`;
    let running = this.#running.get(key);
    if (running === undefined) {
      running = this.#readAlone(room, after).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    return running;
  }

  async #readAlone(room: LocalRoom, after: Position): Promise<ResumeRead> {
    await this.#slots.acquire();
    try {
      const { address, policy } = room;
      const read = await this.#bus.readAfter(address, after, RESUME_PAGE);
      const isWithinCount = read.isEnd && read.messages.length <= policy.historyCountMax;
      if (isWithinCount || !read.isContinuous) return { read, floor: null };
      return { read, floor: await this.#bus.floor(address, policy.historyCountMax) };
    } finally {
      this.#slots.release();
    }
  }
}
