/**
 * One connection that joins many durable rooms: in turn, each timed, or as many at once as fit.
 */
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { monotonicUs } from "./clock.ts";
import type { Histogram } from "./histogram.ts";
import { roomName } from "./room-member.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import type { Tally } from "./tally.ts";
import { encodeTidegateFrame, helloFrame } from "./tidegate-adapter.ts";

/** Rooms of one Join frame: the gateway's limit. */
const ROOMS_AT_ONCE = 256;

export class RoomJoiner implements SocketEvents {
  readonly #socket: BenchSocket;
  readonly #tally: Tally;
  readonly #latency: Histogram;
  readonly #step: number;
  readonly #endRoom: number;
  readonly #onDone: () => void;
  #nextRoom: number;
  #awaitedCount = 0;
  #sentUs = 0;

  /**
   * @param rooms numbers, from and to, the end excluded.
   * @param latency gets one value a Join frame, until the last Joined of it.
   */
  constructor(
    url: URL,
    shared: ReadBuffer,
    tally: Tally,
    rooms: readonly [number, number],
    inTurn: boolean,
    latency: Histogram,
    onDone: () => void,
  ) {
    this.#tally = tally;
    this.#latency = latency;
    this.#step = inTurn ? 1 : ROOMS_AT_ONCE;
    [this.#nextRoom, this.#endRoom] = rooms;
    this.#onDone = onDone;
    this.#socket = new BenchSocket(url, "tidegate.v1", 0, shared, this);
  }

  /** Ends the connection. */
  reset(): void {
    this.#socket.reset();
  }

  onOpen(): void {
    this.#socket.send(helloFrame(Buffer.alloc(0)));
  }

  onRead(): void {}

  onDelivery(): void {
    this.#tally.fail("a delivery came to a connection that only joins");
  }

  onFrame(content: Uint8Array): void {
    const { frame } = ServerFrame.decode(content);
    if (frame?.$case === "welcome") this.#joinNext();
    else if (frame?.$case === "joined") this.#onJoined();
    else if (frame?.$case === "error") {
      throw new Error(`a join failed: ${frame.value.code}: ${frame.value.message}`);
    }
  }

  onBroken(reason: string): void {
    throw new Error(`a joining connection broke: ${reason}`);
  }

  #onJoined(): void {
    this.#tally.deliveredCount += 1;
    this.#awaitedCount -= 1;
    if (this.#awaitedCount > 0) return;
    this.#latency.record(monotonicUs() - this.#sentUs);
    this.#joinNext();
  }

  #joinNext(): void {
    const count = Math.min(this.#step, this.#endRoom - this.#nextRoom);
    if (count === 0) {
      this.#onDone();
      return;
    }
    const rooms = Array.from({ length: count }, (_, i) => ({
      room: roomName(this.#nextRoom + i),
      after: undefined,
      history: 0,
    }));
    this.#nextRoom += count;
    this.#awaitedCount = count;
    this.#sentUs = monotonicUs();
    this.#socket.send(encodeTidegateFrame({ $case: "join", value: { requestId: 1, rooms } }));
  }
}
