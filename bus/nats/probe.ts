/**
 * R4, the probe: whether a publish is stored already, in a shard that its slot has left.
 *
 * The same name to another subject of the old stream: `duplicate` names the message that has it,
 * anything else means that it was not stored there, and bars a copy that is still on its way.
 */
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import type { Position } from "../position.ts";
import type { RoomAddress } from "../subjects.ts";
import { type PubAck, parseAck } from "./pub-ack.ts";
import { storedAt } from "./stream-api.ts";
import { epochOfSubject, probeSubject, shardStream, timeStampUs } from "./wire.ts";

/** A probe without an answer after this is a failed try, ms. */
const ANSWER_MS_MAX = 2000;

/** Nothing was stored in a full shard, and nothing will be. */
const FULL = 10077;

/**
 * Asks a shard.
 *
 * @returns where the publish is stored, or null when it is not and never will be.
 * @throws {CodedError} `UNAVAILABLE`: unknown, ask again; `OUTCOME_UNKNOWN` for good.
 */
export async function probe(
  connection: NatsConnection,
  shard: number,
  room: RoomAddress,
  messageId: string,
): Promise<Position | null> {
  const header = headers();
  header.set("Nats-Msg-Id", messageId);
  const ack = await ask(connection, shard, header);
  if (ack.error !== null && ack.error.code !== FULL) {
    throw new CodedError("UNAVAILABLE", `probing shard ${shard}: ${ack.error.description}`);
  }
  if (!ack.isDuplicate) return null;
  const stored = await storedAt(connection, shardStream(shard), ack.seq);
  if (stored === null) {
    throw new CodedError(
      "OUTCOME_UNKNOWN",
      "it was stored, and deleted since by its shard's limits",
    );
  }
  // An earlier probe has the name: the publish itself was not there.
  const epoch = epochOfSubject(stored.subject, room);
  if (epoch === null) return null;
  return { epoch, seq: ack.seq, timeUs: timeStampUs(stored.time) };
}

async function ask(
  connection: NatsConnection,
  shard: number,
  header: ReturnType<typeof headers>,
): Promise<PubAck> {
  try {
    const options = { timeout: ANSWER_MS_MAX, headers: header };
    const { data } = await connection.request(probeSubject(shard), undefined, options);
    const ack = parseAck(data);
    if (ack !== null) return ack;
  } catch (error) {
    throw new CodedError("UNAVAILABLE", `probing shard ${shard}: no answer`, error);
  }
  throw new CodedError("UNAVAILABLE", `probing shard ${shard}: the answer is no ack`);
}
