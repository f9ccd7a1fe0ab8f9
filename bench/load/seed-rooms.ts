/**
 * Puts messages into durable rooms before a measurement, straight through the bus.
 */
import { randomBytes } from "node:crypto";
import { encodeEnvelope } from "../../bus/envelope.ts";
import { openNatsBus } from "../../bus/nats/nats-bus.ts";
import { roomAddress } from "../../bus/subjects.ts";
import type { NatsTarget } from "../servers/nats-fleet.ts";
import { PAYLOAD_BYTES } from "./payload.ts";
import { roomName } from "./room-member.ts";

/** Messages stored at once. */
const IN_FLIGHT = 512;

/** Stores `perRoom` messages in rooms 0 to `roomCount` - 1; resolves when all are acknowledged. */
export async function seedRooms(
  { urls: servers, replicaCount }: NatsTarget,
  roomCount: number,
  perRoom: number,
): Promise<void> {
  const bus = await openNatsBus({ servers, replicaCount, name: `seed-${process.pid}` });
  const producer = randomBytes(16).toString("latin1");
  const payload = Buffer.alloc(PAYLOAD_BYTES, "tidegate ");
  const append = (number: number): Promise<void> => {
    const room = roomAddress("default", roomName(number % roomCount));
    const producerSeq = Math.floor(number / roomCount) + 1;
    const firstSentUs = Date.now() * 1000;
    const envelope = encodeEnvelope({ firstSentUs, user: "", producer, producerSeq }, payload);
    return new Promise((resolve, reject) => {
      bus.append(room, { producer, seq: producerSeq }, firstSentUs, envelope, (error) =>
        error === null ? resolve() : reject(error),
      );
    });
  };
  const count = roomCount * perRoom;
  for (let at = 0; at < count; at += IN_FLIGHT) {
    const numbers = Array.from({ length: Math.min(IN_FLIGHT, count - at) }, (_, i) => at + i);
    await Promise.all(numbers.map(append));
  }
  await bus.close();
}
