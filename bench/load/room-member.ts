/**
 * A member of one durable room: keeps its position, resumes after it, and checks that each message
 * is the next one by the number in its payload.
 */
import { randomBytes } from "node:crypto";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Message } from "../../proto/gen/tidegate/client/v1/message.ts";
import { monotonicUs } from "./clock.ts";
import { PAYLOAD_BYTES, readSeq, stampPayload } from "./payload.ts";
import { PublishWriter, readAckRequestId } from "./publish-writer.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import type { Tally } from "./tally.ts";
import { encodeTidegateFrame, helloFrame } from "./tidegate-adapter.ts";

/** Rooms of all room benches. */
export function roomName(number: number): string {
  return `chat:room-${number}`;
}

/** What members of a process share. */
export interface RoomMemberParts {
  readonly shared: ReadBuffer;
  readonly tally: Tally;
  onWelcome(member: RoomMember): void;
  /** Joined; when resuming, and everything up to the wanted number has come. */
  onReady(member: RoomMember): void;
  /** A publish was answered; errors are in the tally. */
  onAck(): void;
}

export class RoomMember implements SocketEvents {
  readonly #parts: RoomMemberParts;
  readonly #index: number;
  readonly #room: string;
  readonly #isJoining: boolean;
  // No marker: frames of this bench are read as a whole, for their positions.
  readonly #payload = Buffer.alloc(PAYLOAD_BYTES, "tidegate ");
  readonly #writer: PublishWriter;
  readonly #producerKey = randomBytes(16);
  #socket: BenchSocket | null = null;
  #position: Message["position"];
  #publishedCount = 0;
  /** Server time minus our clock, microseconds. */
  #serverOffsetUs = 0;
  /** Number that a resume is to reach; 0 while fresh. */
  #wantedNumber = 0;
  #isReady = false;
  /** Newest number received. */
  number = 0;
  dialedUs = 0;
  readyUs = 0;
  /** Whether the last resume was told `recovered: true`. */
  isRecovered = false;
  isParted = false;

  constructor(parts: RoomMemberParts, index: number, room: number, isJoining: boolean) {
    this.#parts = parts;
    this.#index = index;
    this.#room = roomName(room);
    this.#isJoining = isJoining;
    this.#payload.writeUInt32LE(0, 0);
    this.#writer = new PublishWriter(this.#room, this.#payload);
  }

  /** Connects; joins, after the last position if there is one. */
  dial(url: URL, wantedNumber: number): void {
    this.#wantedNumber = wantedNumber;
    this.#isReady = false;
    this.isRecovered = false;
    this.isParted = false;
    this.dialedUs = monotonicUs();
    this.#socket = new BenchSocket(url, "tidegate.v1", this.#index, this.#parts.shared, this);
  }

  /** Publishes the room's next message. */
  publish(): void {
    this.#publishedCount += 1;
    const number = this.#publishedCount;
    const nowUs = monotonicUs();
    stampPayload(this.#payload, 0, number, nowUs);
    const frame = Buffer.allocUnsafe(this.#writer.frameBytesMax);
    const firstSentUs = Math.floor(nowUs + this.#serverOffsetUs);
    const end = this.#writer.write(frame, 0, number, number, firstSentUs);
    this.#parts.tally.sentCount += 1;
    this.#socket?.send(frame.subarray(0, end));
  }

  /** Ends the connection. */
  reset(): void {
    this.#socket?.reset();
  }

  onOpen(): void {
    this.#socket?.send(helloFrame(this.#producerKey));
  }

  onRead(): void {}

  onDelivery(): void {
    this.#parts.tally.fail("a delivery with a marker came to a room bench");
  }

  onFrame(content: Uint8Array): void {
    if (this.isParted) return;
    if (readAckRequestId(content) > 0) {
      this.#parts.onAck();
      return;
    }
    const { frame } = ServerFrame.decode(content);
    switch (frame?.$case) {
      case "welcome":
        this.#serverOffsetUs = Number(frame.value.serverTimeUs) - monotonicUs();
        this.#parts.onWelcome(this);
        if (this.#isJoining) this.#join();
        else this.#ready();
        return;
      case "joined":
        this.isRecovered = frame.value.recovered === true;
        this.#readyWhenReached();
        return;
      case "message":
        this.#take(frame.value);
        return;
      case "error":
        this.#parts.tally.fail(`${frame.value.code}: ${frame.value.message}`);
        if (this.#isReady) this.#parts.onAck(); // of a publish
        return;
      case "gap":
        this.#parts.tally.fail(`${this.#room}: a gap of ${frame.value.missedCount}`);
        return;
      default:
    }
  }

  onBroken(reason: string): void {
    if (!this.isParted) this.#parts.tally.fail(`${this.#room}: ${reason}`);
  }

  #join(): void {
    const rooms = [{ room: this.#room, after: this.#position, history: 0 }];
    this.#socket?.send(encodeTidegateFrame({ $case: "join", value: { requestId: 1, rooms } }));
  }

  #take({ position, envelope }: Message): void {
    const payload = envelope?.payload ?? new Uint8Array(PAYLOAD_BYTES);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const number = readSeq(view, 0);
    const { tally } = this.#parts;
    if (number > this.number + 1) tally.lostCount += number - this.number - 1;
    if (number <= this.number) tally.repeatedCount += 1;
    else this.number = number;
    tally.deliveredCount += 1;
    this.#position = position;
    this.#readyWhenReached();
  }

  /** A resume is over with the last missed message, whatever comes first; a fresh join at once. */
  #readyWhenReached(): void {
    if (this.#wantedNumber === 0) this.#ready();
    else if (this.isRecovered && this.number >= this.#wantedNumber) this.#ready();
  }

  #ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.readyUs = monotonicUs();
    this.#parts.onReady(this);
  }
}
