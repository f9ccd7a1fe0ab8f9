/**
 * The spans of one sampled message at a gateway with members of its room: `bus.deliver`, from its
 * arrival to its end here, and in it `fanout`, the hand-over to the members' topic.
 */
import type { OpenSpan } from "../../telemetry/tracing/open-span.ts";

export class DeliverTrace {
  readonly #deliver: OpenSpan;
  readonly #fanout: OpenSpan;

  constructor(deliver: OpenSpan, fanout: OpenSpan) {
    this.#deliver = deliver;
    this.#fanout = fanout;
  }

  /** 32 hex digits; for exemplars. */
  get traceId(): string {
    return this.#fanout.traceId;
  }

  /** For the frame: the parent of the spans in which clients receive it. */
  get traceparent(): string {
    return this.#fanout.traceparent;
  }

  /**
   * It was handed to the topic.
   *
   * @param recipients members subscribed to it.
   * @param skipped members that were not: slow ones, and those that still catch up.
   */
  fannedOut(frameBytes: number, recipients: number, skipped: number): void {
    this.#fanout
      .set("tidegate.fanout.recipients", recipients)
      .set("tidegate.fanout.skipped", skipped)
      .set("tidegate.fanout.bytes", frameBytes * recipients)
      .end();
    this.#deliver.end();
  }
}
