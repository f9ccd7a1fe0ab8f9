/**
 * One connection that publishes to a durable room and keeps a number of publishes unanswered.
 */
import { randomBytes } from "node:crypto";
import { ServerFrame } from "../../proto/gen/tidegate/client/v1/frame.ts";
import { monotonicUs } from "./clock.ts";
import { buildPayload } from "./payload.ts";
import { PublishWriter, readAckRequestId } from "./publish-writer.ts";
import { BenchSocket, type ReadBuffer, type SocketEvents } from "./socket.ts";
import type { Tally } from "./tally.ts";
import { helloFrame } from "./tidegate-adapter.ts";

/** Slots for the send times of unanswered publishes; above the gateway's limit of 1024. */
const SENT_SLOTS = 2048;

export class DurableConnection implements SocketEvents {
  readonly #socket: BenchSocket;
  readonly #tally: Tally;
  readonly #writer: PublishWriter;
  readonly #onOpened: () => void;
  /** Called with every answer, so that the owner can send the next. */
  readonly #onAnswer: (connection: DurableConnection) => void;
  /** Server time minus our clock, microseconds. */
  #serverOffsetUs = 0;
  #sentCount = 0;
  #answeredCount = 0;
  readonly #sentUs = new Float64Array(SENT_SLOTS);
  #nowUs = 0;

  constructor(
    url: URL,
    index: number,
    shared: ReadBuffer,
    tally: Tally,
    onOpened: () => void,
    onAnswer: (connection: DurableConnection) => void,
  ) {
    this.#tally = tally;
    this.#onOpened = onOpened;
    this.#onAnswer = onAnswer;
    this.#writer = new PublishWriter(`chat:bench-${index}`, buildPayload(index));
    this.#socket = new BenchSocket(url, "tidegate.v1", index, shared, this);
  }

  /** Publishes sent and not answered. */
  get inFlightCount(): number {
    return this.#sentCount - this.#answeredCount;
  }

  /** Publishes `count` messages in one write. At most SENT_SLOTS may be unanswered. */
  publish(count: number): void {
    const bytes = Buffer.allocUnsafe(count * this.#writer.frameBytesMax);
    const nowUs = monotonicUs();
    const firstSentUs = Math.floor(nowUs + this.#serverOffsetUs);
    let end = 0;
    for (let i = 0; i < count; i += 1) {
      this.#sentCount += 1;
      const number = this.#sentCount; // request id and producer seq count alike
      this.#sentUs[number % SENT_SLOTS] = nowUs;
      end = this.#writer.write(bytes, end, number, number, firstSentUs);
    }
    this.#tally.sentCount += count;
    this.#socket.send(bytes.subarray(0, end));
  }

  onOpen(): void {
    this.#socket.send(helloFrame(randomBytes(16)));
  }

  onRead(): void {
    this.#nowUs = monotonicUs();
  }

  onDelivery(): void {
    this.#tally.fail("a delivery came to a connection that joined nothing");
  }

  onFrame(content: Uint8Array): void {
    const requestId = readAckRequestId(content);
    if (requestId > 0) {
      this.#tally.deliveredCount += 1;
      this.#tally.latency.record(this.#nowUs - (this.#sentUs[requestId % SENT_SLOTS] ?? 0));
      this.#answer();
      return;
    }
    const { frame } = ServerFrame.decode(content);
    if (frame?.$case === "welcome") {
      this.#serverOffsetUs = Number(frame.value.serverTimeUs) - this.#nowUs;
      this.#onOpened();
    } else if (frame?.$case === "error") {
      this.#tally.fail(`${frame.value.code}: ${frame.value.message}`);
      if (frame.value.requestId > 0) this.#answer();
    }
  }

  /** Ends the process: its unanswered publishes would be waited for in vain. */
  onBroken(reason: string): void {
    throw new Error(`a durable connection broke: ${reason}`);
  }

  #answer(): void {
    this.#answeredCount += 1;
    this.#onAnswer(this);
  }
}
