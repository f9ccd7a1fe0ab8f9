/**
 * Rooms of one tenant that have members here, and their permits.
 */
import type { Permits } from "./permits.ts";

export class OpenRooms {
  readonly #permits: Permits;
  /** By room token: its members that are counted here, and the permit they wait for. */
  readonly #rooms = new Map<string, { memberCount: number; permit: Promise<void> }>();

  constructor(permits: Permits) {
    this.#permits = permits;
  }

  get count(): number {
    return this.#rooms.size;
  }

  /**
   * Counts a member; the first of a room takes its permit.
   *
   * @throws {CodedError} as Permits.take; then the member is not counted.
   */
  async enter(token: string, isReturning: boolean, waitMs: number): Promise<void> {
    let room = this.#rooms.get(token);
    if (room === undefined) {
      const isTaken = this.#permits.tryTake();
      const permit = isTaken ? Promise.resolve() : this.#permits.take(isReturning, waitMs);
      room = { memberCount: 0, permit };
      this.#rooms.set(token, room);
    }
    room.memberCount += 1;
    try {
      await room.permit;
    } catch (error) {
      if (this.#rooms.get(token) === room) this.#rooms.delete(token);
      throw error;
    }
  }

  /** Counts a member of before the limit. */
  force(token: string): void {
    const room = this.#rooms.get(token);
    if (room !== undefined) room.memberCount += 1;
    else {
      this.#rooms.set(token, { memberCount: 1, permit: Promise.resolve() });
      this.#permits.force(1);
    }
  }

  /** One counted member less; the last of a room gives its permit back. */
  leave(token: string): void {
    const room = this.#rooms.get(token);
    if (room === undefined) return;
    room.memberCount -= 1;
    if (room.memberCount > 0) return;
    this.#rooms.delete(token);
    this.#permits.release();
  }
}
