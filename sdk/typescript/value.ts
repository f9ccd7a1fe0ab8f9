/**
 * Values of an application on their way to publishes, and out of pages. Codecs are user code: they
 * run here, in the caller's turn.
 */
import type { Codec } from "./codec.ts";
import { errorText, TidegateError } from "./error.ts";
import { messageEvent } from "./event.ts";
import type { HistoryOptions, HistoryPage } from "./history.ts";
import type { PublishResult } from "./publish-queue.ts";
import type { RoomLink } from "./room-link.ts";

/** Publishes a value. @throws {TidegateError} also `PAYLOAD_INVALID`, for what its codec threw. */
export async function publishValue<T>(
  link: RoomLink,
  room: string,
  value: T,
  codec: Codec<T>,
  needsAck = true,
): Promise<PublishResult> {
  let payload: Uint8Array;
  try {
    payload = codec.encode(value);
  } catch (cause) {
    const detail = `the codec refused the value: ${errorText(cause)}`;
    throw new TidegateError("PAYLOAD_INVALID", detail, { cause });
  }
  const send = (traceparent: string) => link.publish(room, payload, needsAck, traceparent);
  return await (link.tracing?.publish(room, payload.length, send) ?? send(""));
}

/** Reads a page of history. */
export async function readPage<T>(
  link: RoomLink,
  room: string,
  codec: Codec<T>,
  options: HistoryOptions,
): Promise<HistoryPage<T>> {
  link.throwIfClosed();
  const page = await link.history.ask(room, options);
  return {
    messages: page.messages.map((message) => messageEvent(message, room, link.ownProducer, codec)),
    hasMore: page.hasMore,
    isContinuous: page.recovered ?? true,
  };
}
