/**
 * The truth at the end: what NATS holds, read by its own client, not by ours.
 */
import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/transport-node";
import { Envelope } from "../../proto/gen/tidegate/client/v1/message.ts";
import type { ChaosPayload } from "./clients/lines.ts";
import { comparePlaces, type StoredMessage } from "./history.ts";

/** Messages of one read. */
const BATCH = 1000;
/** A stream that can not be read to its end within this fails the run, ms. */
const READ_MS_MAX = 30_000;

/** One message of a stream. */
interface Raw {
  readonly subject: string;
  readonly seq: number;
  readonly timestamp: string;
  readonly data: Uint8Array;
}

/**
 * Reads every message of the rooms, in order of places.
 *
 * @param voidAfterUs a message stored so long after its first try is void (R2), microseconds.
 */
export async function readStored(
  connection: NatsConnection,
  rooms: readonly string[],
  voidAfterUs: number,
): Promise<StoredMessage[]> {
  const manager = await jetstreamManager(connection);
  const found: StoredMessage[] = [];
  for await (const { config, state } of manager.streams.list()) {
    if (!config.name.startsWith("TG_") || state.messages === 0) continue;
    const read = (seq: number) => manager.direct.getBatch(config.name, { seq, batch: BATCH });
    const endMs = performance.now() + READ_MS_MAX;
    for (let from = state.first_seq; from <= state.last_seq; ) {
      // A replica that lags answers with fewer, or none: it is asked again for what comes after.
      try {
        for await (const raw of await read(from)) {
          from = raw.seq + 1;
          const message = toStored(raw, rooms, voidAfterUs);
          if (message !== null) found.push(message);
        }
      } catch (error) {
        if (performance.now() > endMs) throw error; // else: a busy machine is asked again
      }
      if (performance.now() > endMs) throw new Error(`${config.name} can not be read to its end`);
    }
  }
  return found.sort((a, b) => comparePlaces(a.place, b.place));
}

/** A message of one of the rooms, or null: an anchor, a marker, another room's. */
function toStored(raw: Raw, rooms: readonly string[], voidAfterUs: number): StoredMessage | null {
  const [, kind, , epoch, token] = raw.subject.split(".");
  if (kind !== "in" || token === undefined) return null;
  const room = rooms.find((name) => token.endsWith(`=_${name.replace(":", "=3a")}`));
  if (room === undefined) return null;
  const envelope = Envelope.decode(raw.data);
  const { p: producer, n } = JSON.parse(envelope.payload.toString()) as ChaosPayload;
  const timeUs = microseconds(raw.timestamp);
  const isVoid = timeUs - Number(envelope.firstSentUs) > voidAfterUs;
  return { room, producer, n, place: { epoch: Number(epoch), seq: raw.seq, timeUs }, isVoid };
}

/** RFC 3339 with up to nine decimals. */
function microseconds(text: string): number {
  const [whole = "", decimals = ""] = text.replace("Z", "").split(".");
  return Date.parse(`${whole}Z`) * 1000 + Number(decimals.padEnd(6, "0").slice(0, 6));
}
