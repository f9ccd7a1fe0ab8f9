/**
 * R12, what a lease allows and what a starter may do: decisions on plain data; lease.ts does them.
 *
 * Pure: the time is an argument, always the process's own monotonic clock.
 */

/** A lease not renewed lasts this long, ms. A lost KV leader stops writes for 4 to 9 s. */
export const LEASE_TTL_MS = 45_000;
/** Shortest time a test may set: the server counts in seconds. */
export const LEASE_TTL_MS_MIN = 2000;
/** A renewal is due after this part of the time to live: 5 s of 45. */
const RENEW_PART = 1 / 9;
/** The holder stops this part of the time to live before the server ends the lease: 3 s of 45. */
const MARGIN_PART = 1 / 15;
/** An event loop that stood still longer may have been frozen: it renews before it publishes. */
export const LOOP_GAP_MS_MAX = 1000;
/** A holder that neither answers nor renews for this long is taken for frozen, ms. */
export const SILENCE_MS = 10_000;
/**
 * Probes in a row without a responder that show a holder to be dead. Two, since a subscription
 * takes some ms to be known on all nodes, and a reconnect of the holder as long.
 */
export const ABSENT_COUNT = 2;

/** How long a held lease waits before its next renewal, ms. */
export function renewAfterMs(ttlMs: number): number {
  return ttlMs * RENEW_PART;
}

/** Until when a lease is surely held whose last renewal was begun at `startedMs`. */
export function heldUntilMs(startedMs: number, ttlMs: number): number {
  return startedMs + ttlMs * (1 - MARGIN_PART);
}

/** Why a process must renew before it goes on, or null while it need not. */
export function judgeHolding(
  nowMs: number,
  tickMs: number,
  untilMs: number,
): "gap" | "expired" | null {
  if (nowMs - tickMs > LOOP_GAP_MS_MAX) return "gap";
  return nowMs >= untilMs ? "expired" : null;
}

/** Who a lease says has it. */
export interface Holder {
  readonly incarnation: string;
  readonly revision: number;
}

/** What a write that was refused means, from the lease as it was read back. */
export function judgeReadBack(holder: Holder | null, own: string): "mine" | "gone" | "taken" {
  if (holder === null) return "gone";
  return holder.incarnation === own ? "mine" : "taken";
}

/** What the control subject of an id said: an answer, no answer, or that nobody listens. */
export type ProbeOutcome = "answered" | "silent" | "absent";

/** What a starter has seen of the holder of its id. */
export interface ClaimSeen {
  /** As it was seen first. */
  readonly holder: Holder;
  /** Probes in a row without a responder. */
  readonly absentCount: number;
  /** When the first of the unanswered probes began; null before one. */
  readonly silentFromMs: number | null;
}

/** What a starter does next. */
export type ClaimStep =
  | { readonly do: "create" }
  | { readonly do: "take"; readonly revision: number }
  | { readonly do: "adopt"; readonly revision: number }
  | { readonly do: "probe" }
  | { readonly do: "refuse"; readonly why: string };

/**
 * What a starter does about the lease it has just read.
 *
 * @param seen null before the first probe.
 * @param own the starter's incarnation: an own write may have been stored though its answer was
 *   lost.
 */
export function decideClaim(
  seen: ClaimSeen | null,
  holder: Holder | null,
  own: string,
  nowMs: number,
): ClaimStep {
  if (holder === null) return { do: "create" };
  const { incarnation, revision } = holder;
  if (incarnation === own) return { do: "adopt", revision };
  if (seen === null || seen.holder.incarnation !== incarnation) return { do: "probe" };
  if (revision > seen.holder.revision) return { do: "refuse", why: "it goes on renewing" };
  const isDead = seen.absentCount >= ABSENT_COUNT;
  const isFrozen = seen.silentFromMs !== null && nowMs - seen.silentFromMs >= SILENCE_MS;
  return isDead || isFrozen ? { do: "take", revision } : { do: "probe" };
}

/** What a starter knows after a probe that was not answered. */
export function noteProbe(
  seen: ClaimSeen | null,
  holder: Holder,
  outcome: "silent" | "absent",
  startedMs: number,
): ClaimSeen {
  const isSame = seen !== null && seen.holder.incarnation === holder.incarnation;
  const before = isSame ? seen : { holder, absentCount: 0, silentFromMs: null };
  if (outcome === "absent") return { ...before, absentCount: before.absentCount + 1 };
  return { ...before, absentCount: 0, silentFromMs: before.silentFromMs ?? startedMs };
}
