/**
 * R1: the identity of a producer as others see it.
 */
import { createHash } from "node:crypto";

/** Bytes of a producer key and of a producer hash. */
export const PRODUCER_BYTES = 16;

/**
 * The producer hash: first 16 bytes of SHA-256(tenant 0x00 user 0x00 producer key), so that nobody
 * can burn another's message ids, or learn his key.
 *
 * @param producerKey 16 random bytes of one SDK instance.
 * @returns 16 bytes as a latin1 string.
 */
export function producerHash(tenant: string, user: string, producerKey: Uint8Array): string {
  return createHash("sha256")
    .update(`${tenant}\0${user}\0`)
    .update(producerKey)
    .digest()
    .toString("latin1", 0, PRODUCER_BYTES);
}
