/**
 * What tracing hears of a client: the seam that keeps OpenTelemetry out of all other files, so that
 * pages without it load nothing of it. tracing.ts is its one implementation.
 */
import type { RoomInvalid, RoomMessage } from "./event.ts";
import type { Message } from "./gen/tidegate/client/v1/message.ts";
import type { PublishResult } from "./publish-queue.ts";

/** The hooks of a client: "@tidegate/sdk/tracing" makes them. They must not throw. */
export interface TraceHooks {
  /**
   * A value is published: in the caller's turn, after its codec.
   *
   * @param send publishes it; takes the W3C traceparent to send along, empty for none.
   * @returns what `send` returned.
   */
  publish(
    room: string,
    payloadBytes: number,
    send: (traceparent: string) => Promise<PublishResult>,
  ): Promise<PublishResult>;
  /** Hot path: a message is in its room's queue. */
  onArrival(message: Message): void;
  /** The loop over the room gets it, as this event. */
  onTaken(message: Message, event: RoomMessage<unknown> | RoomInvalid): void;
}
