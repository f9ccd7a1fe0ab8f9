/**
 * A member of one room that dials again when its connection breaks, as SDKs do, and resumes after
 * its last position; it checks that each message is the next by its number.
 */
import { randomBytes } from "node:crypto";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import type { Message } from "../../proto/gen/tidegate/client/v1/message.ts";
import { monotonicUs } from "./clock.ts";
import { PAYLOAD_BYTES, readSentUs, readSeq } from "./payload.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import { encodeTidegateFrame, helloFrame } from "./tidegate-adapter.ts";

/** First wait before another dial, and the longest, ms: full jitter, as docs/protocol.md has it. */
const BACK_OFF_MS = 1000;
const BACK_OFF_MS_MAX = 30_000;

/** What members of a process share. */
export interface StormMemberParts {
  readonly shared: ReadBuffer;
  onJoined(member: StormMember): void;
  onMessage(member: StormMember, latencyUs: number): void;
  onShed(): void;
  onFailedDial(): void;
}

export class StormMember implements SocketEvents {
  readonly room: string;
  readonly #parts: StormMemberParts;
  readonly #index: number;
  readonly #again: URL;
  #url: URL;
  readonly #producerKey = randomBytes(16);
  #socket: BenchSocket | null = null;
  #position: Message["position"];
  #failedCount = 0;
  #retryAfterMs = 0;
  #isEnded = false;
  /** Newest number, and how it came to miss one or get one again; "" while it has not. */
  number = 0;
  brokenBy: "" | "a Gap" | "a number missing" | "a number again" = "";
  /** Times its connection was lost after it was in. */
  lostCount = 0;
  isIn = false;
  /** Whether every return was told `recovered: true`. */
  isRecovered = true;
  joinedAtUs = 0;

  /** @param index spreads sockets over source addresses. */
  constructor(parts: StormMemberParts, room: string, index: number, again: URL) {
    this.#parts = parts;
    this.room = room;
    this.#index = index;
    this.#again = again;
    this.#url = again;
  }

  dial(url: URL): void {
    this.#url = url;
    this.#socket = new BenchSocket(url, "tidegate.v1", this.#index, this.#parts.shared, this);
  }

  /** Ends the connection for good. */
  reset(): void {
    this.#isEnded = true;
    this.#socket?.reset();
  }

  onOpen(): void {
    this.#socket?.send(helloFrame(this.#producerKey));
  }

  onRead(): void {}

  onDelivery(): void {}

  onFrame(content: Uint8Array): void {
    const { frame } = ServerFrame.decode(content);
    switch (frame?.$case) {
      case "welcome": {
        this.#failedCount = 0;
        this.#retryAfterMs = 0;
        const rooms = [{ room: this.room, after: this.#position, history: 0 }];
        this.#socket?.send(encodeTidegateFrame({ $case: "join", value: { requestId: 1, rooms } }));
        return;
      }
      case "joined":
        this.isIn = true;
        this.joinedAtUs = monotonicUs();
        if (this.#position !== undefined && frame.value.recovered !== true) {
          this.isRecovered = false;
        }
        this.#parts.onJoined(this);
        return;
      case "message":
        this.#take(frame.value);
        return;
      case "error":
        this.#retryAfterMs = frame.value.retryAfterMs;
        if (frame.value.code === "OVERLOADED") this.#parts.onShed();
        return;
      case "gap":
        this.brokenBy = "a Gap";
        return;
      default:
    }
  }

  onBroken(): void {
    if (this.#isEnded) return;
    if (this.isIn) this.lostCount += 1;
    else this.#parts.onFailedDial();
    this.isIn = false;
    const most = Math.min(BACK_OFF_MS_MAX, BACK_OFF_MS * 2 ** this.#failedCount);
    this.#failedCount += 1;
    const waitMs = Math.max(this.#retryAfterMs, Math.random() * most);
    setTimeout(() => {
      // Until it is in, it belongs to the gateway that is to be killed.
      if (!this.#isEnded) this.dial(this.lostCount === 0 ? this.#url : this.#again);
    }, waitMs);
  }

  #take({ position, envelope, ephemeralSeq }: Message): void {
    const payload = envelope?.payload ?? new Uint8Array(PAYLOAD_BYTES);
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const number = readSeq(view, 0);
    if (number !== this.number + 1 && ephemeralSeq === 0n) {
      this.brokenBy = number > this.number ? "a number missing" : "a number again";
    }
    this.number = number;
    this.#position = position;
    this.#parts.onMessage(this, monotonicUs() - readSentUs(view, 0));
  }
}
