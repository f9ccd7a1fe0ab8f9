/**
 * Stops reading for a moment when every room is behind, so that a short stall costs no resume.
 *
 * Only where the runtime can stop reading (socket-node.ts); browsers load nothing of it.
 */
import type { CancelTimer, Clock } from "./clock.ts";
import type { RoomsOfRoom } from "./room-link.ts";

/** Reading stops for this long at most, milliseconds: below a third of the least idle time. */
const PAUSE_MAX_MS = 2000;

/** Whether a client's connection is read from now. */
export class ReadPause {
  readonly #clock: Clock;
  readonly #setReading: (isReading: boolean) => void;
  #isPaused = false;
  #hasPaused = false;
  #cancel: CancelTimer = () => {};

  constructor(clock: Clock, setReading: (isReading: boolean) => void) {
    this.#clock = clock;
    this.#setReading = setReading;
  }

  /**
   * A queue crossed a mark: stops reading when every room that receives is behind, else goes on.
   * An answer that is being waited for must be read.
   */
  onFill(rooms: Pick<RoomsOfRoom, "all" | "isFree">): void {
    let isBehind = false;
    for (const room of rooms.all()) {
      if (room.state.is !== "in") continue;
      isBehind = room.isBehind;
      if (!isBehind) break;
    }
    if (!isBehind) {
      this.#hasPaused = false;
      this.read();
    } else if (rooms.isFree && !this.#isPaused && !this.#hasPaused) {
      this.#isPaused = true;
      this.#hasPaused = true; // once per stall: then the queues overflow, and resume
      this.#setReading(false);
      this.#cancel = this.#clock.setTimer(PAUSE_MAX_MS, () => this.read());
    }
  }

  /** Goes on reading: an answer is about to be waited for. */
  read(): void {
    if (!this.#isPaused) return;
    this.onBreak();
    this.#setReading(true);
  }

  /** The connection broke: the next one is read from its beginning. */
  onBreak(): void {
    this.#isPaused = false;
    this.#cancel();
  }
}
