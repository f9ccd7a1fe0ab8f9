/**
 * Where the keys of clients' tokens come from: a file that is read again when it changes, or an
 * issuer (remote-keys.ts).
 */
import type { JwtKey } from "../../proto/jwt-key.ts";
import type { Anchors } from "./anchors.ts";

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
  /** Calls `listener` whenever there may be other keys. */
  follow(listener: () => void): void;
  /** Looks for keys no more. */
  close(): void;
}

/** Keys that are held here: in a file, mostly. */
export interface HeldKeys {
  readonly value: readonly JwtKey[];
  follow(listener: () => void): void;
  stop(): void;
}

/** As a source. */
export function heldKeys(held: HeldKeys): KeySource {
  return {
    keys: () => held.value,
    renew: () => Promise.resolve(true),
    status: () => ({ count: held.value.length, ageMs: 0, trouble: "" }),
    follow: (listener) => held.follow(listener),
    close: () => held.stop(),
  };
}

/** The keys as what tokens are good by. */
export function keyAnchors(source: Pick<KeySource, "keys" | "follow">): Anchors {
  return {
    has: (anchor) => source.keys().some(({ print }) => print === anchor),
    follow: (listener) => source.follow(listener),
  };
}
