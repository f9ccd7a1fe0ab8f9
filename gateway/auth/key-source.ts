/**
 * Where the keys of clients' tokens come from: a file that is read again when it changes, or an
 * issuer (remote-keys.ts).
 */
import type { JwtKey } from "../../proto/jwt-key.ts";

/** For /health. */
export interface KeyStatus {
  readonly count: number;
  /** How long ago the keys were known to be the newest, ms; 0 for a file. */
  readonly ageMs: number;
  /** Why the last look for newer ones failed; empty when it did not. */
  readonly trouble: string;
}

/** Keys, and the way to newer ones. */
export interface KeySource {
  /** The last good ones; empty while there were never any. */
  keys(): readonly JwtKey[];
  /**
   * A token names a key that is not here, or there is none: looks for newer ones, if that is due.
   *
   * @returns whether what is here now is known to be the newest.
   */
  renew(): Promise<boolean>;
  status(): KeyStatus;
  /** Looks for keys no more. */
  close(): void;
}

/** Keys that are here, or in a file. */
export function heldKeys(read: () => readonly JwtKey[], close: () => void = () => {}): KeySource {
  return {
    keys: read,
    renew: () => Promise.resolve(true),
    status: () => ({ count: read().length, ageMs: 0, trouble: "" }),
    close,
  };
}
