/**
 * Whether the rooms of a slot are listened to one by one (narrow), or by one wildcard (wide).
 *
 * Pure. A subscription costs 1.5 kB here and 0.7 kB in the server (100 000 of them 155 MB and
 * 67 MB), and is sent again after every reconnect; a wildcard costs one, but brings every message
 * of the slot, also of rooms without a member here, at about 1.5 µs each. So a slot is widened when
 * it holds many rooms, and narrowed when few are left or when most of what comes is for nobody.
 */

/** Rooms of a slot that widen it. All 1 024 slots just below it: 64 500 subscriptions, 100 MB. */
export const WIDEN_ROOM_COUNT = 64;
/** Below this many rooms it is narrowed: half, so that a few joins and leaves do not switch it. */
export const NARROW_ROOM_COUNT = 32;
/** A wide slot is narrowed when more than this share of its messages is for no room here, … */
export const FOREIGN_SHARE_MAX = 0.5;
/** … and there are more of these a second: below it they cost less than 0.02 % of a core. */
export const FOREIGN_RATE_MIN = 100;
/** Traffic is judged over this long, ms. */
export const WINDOW_MS = 10_000;
/** A slot narrowed for its traffic is not widened again for this long, ms. */
export const HOLD_MS = 600_000;

/** A slot as it is judged. */
export interface SlotFacts {
  readonly isWide: boolean;
  /** Rooms listened to. */
  readonly roomCount: number;
  /** Time of the last switch, or of the start. */
  readonly switchedMs: number;
  /** Whether the last switch was for its traffic. */
  readonly wasForeign: boolean;
  /** Since {@link sinceMs}, while wide. */
  readonly receivedCount: number;
  readonly foreignCount: number;
  readonly sinceMs: number;
}

/** What to do: "foreign" narrows too, and holds. */
export type WidthVerdict = "stay" | "widen" | "narrow" | "foreign";

/** Judges a slot; call about once a second. */
export function judgeWidth(slot: SlotFacts, nowMs: number): WidthVerdict {
  if (!slot.isWide) {
    const isHeld = slot.wasForeign && nowMs - slot.switchedMs < HOLD_MS;
    return slot.roomCount >= WIDEN_ROOM_COUNT && !isHeld ? "widen" : "stay";
  }
  if (slot.roomCount < NARROW_ROOM_COUNT) return "narrow";
  const windowMs = nowMs - slot.sinceMs;
  if (windowMs < WINDOW_MS) return "stay";
  const isMostlyForeign = slot.foreignCount > slot.receivedCount * FOREIGN_SHARE_MAX;
  const isMuch = slot.foreignCount > (FOREIGN_RATE_MIN * windowMs) / 1000;
  return isMostlyForeign && isMuch ? "foreign" : "stay";
}
