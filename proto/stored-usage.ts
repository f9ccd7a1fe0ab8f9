/**
 * What tenants store, as the control plane counts it and gateways read it: a key each of the bus KV
 * bucket "usage".
 *
 * Apart from "control": it changes all the time, and is no configuration.
 */

/** Name of the bucket; made when the first limit "stored-bytes" is set. */
export const USAGE_BUCKET = "usage";
/** Keys begin so. */
export const STORED_PREFIX = "stored.";
/** How often it is counted, ms. */
export const STORED_COUNT_MS = 30_000;

/** Key of a tenant. */
export function storedKey(tenant: string): string {
  return `${STORED_PREFIX}${tenant}`;
}

/** The tenant of a key. */
export function storedTenant(key: string): string {
  return key.slice(STORED_PREFIX.length);
}

/** @param bytes 0 or more. */
export function encodeStored(bytes: number): Uint8Array {
  return Buffer.from(String(Math.round(bytes)));
}

/** Bytes of a value; 0 for none, or what is no number. */
export function decodeStored(value: Uint8Array | null): number {
  const bytes = value === null ? 0 : Number(Buffer.from(value).toString());
  return Number.isFinite(bytes) && bytes > 0 ? bytes : 0;
}
