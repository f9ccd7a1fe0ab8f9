/**
 * The spans of one sampled publish at the gateway that took it: `ingress`, from the frame to its
 * answer, and in it `bus.publish`, from the first try to the bus's ack.
 */
import type { AppendAck } from "../../bus/bus.ts";
import { formatPosition } from "../../bus/position.ts";
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";

export class PublishTrace {
  readonly #ingress: OpenSpan;
  readonly #send: OpenSpan;
  #tryCount = 0;

  constructor(ingress: OpenSpan, send: OpenSpan) {
    this.#ingress = ingress;
    this.#send = send;
  }

  /** For PublishAck. */
  get traceId(): string {
    return this.#ingress.traceId;
  }

  /** For the envelope: who receives it is a child of `bus.publish`. */
  get traceparent(): string {
    return this.#send.traceparent;
  }

  /** It is handed to the bus, for the first time or again. */
  tried(envelopeBytes: number): void {
    this.#tryCount += 1;
    if (this.#tryCount === 1) this.#send.set("messaging.message.envelope.size", envelopeBytes);
    else this.#send.set("tidegate.tries", this.#tryCount);
  }

  /** The bus has it. @param ack null in ephemeral rooms. */
  sent(ack: AppendAck | null): void {
    if (ack !== null) {
      this.#send.set("messaging.message.id", formatPosition(ack));
      if (ack.isDuplicate) this.#send.set("tidegate.duplicate", true);
    }
    this.#send.end();
    this.#ingress.end();
  }

  /** It was refused, or the bus did not take it. */
  failed(error: unknown): void {
    if (this.#tryCount > 0) this.#send.fail(error);
    this.#ingress.fail(error);
  }
}
