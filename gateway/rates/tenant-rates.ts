/**
 * The limits of a tenant to which each gateway, or each connection, is held by itself.
 *
 * Plain numbers, 0 for no limit: they are read with every frame.
 */
import type { RateName } from "../../proto/limits.ts";

/** Rates and sizes of one tenant; 0: no limit. */
export interface TenantRates {
  /** What one connection may send a second. */
  readonly bytesPerSecond: number;
  readonly framesPerSecond: number;
  /** In the whole fleet; a gateway has its share. */
  readonly connectsPerSecond: number;
  /** Of one user on one gateway. */
  readonly userPublishesPerSecond: number;
  /** Of one frame. */
  readonly frameBytes: number;
  /** Requests of one connection without an answer. */
  readonly inFlight: number;
  /** What the tenant's rooms may hold in the store. */
  readonly storedBytes: number;
}

/** A tenant without any. */
export const NO_RATES: TenantRates = {
  bytesPerSecond: 0,
  framesPerSecond: 0,
  connectsPerSecond: 0,
  userPublishesPerSecond: 0,
  frameBytes: 0,
  inFlight: 0,
  storedBytes: 0,
};

/** Field of each limit. */
export const RATE_FIELDS = {
  "bytes-per-second": "bytesPerSecond",
  "connects-per-second": "connectsPerSecond",
  "frame-bytes": "frameBytes",
  "frames-per-second": "framesPerSecond",
  "in-flight": "inFlight",
  "stored-bytes": "storedBytes",
  "user-publishes-per-second": "userPublishesPerSecond",
} as const satisfies Record<RateName, keyof TenantRates>;
