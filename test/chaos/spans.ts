/**
 * From when on a promise with a deadline counts: not before what was broken is mended.
 *
 * Pure.
 */

/** A time in which something was broken. */
export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * The earliest time from which `quietUs` pass without anything broken, at or after `fromUs`: what
 * is promised within `quietUs` is due at the end of it. Infinity when it never gets quiet.
 *
 * @param spans in any order.
 */
export function quietFrom(fromUs: number, quietUs: number, spans: readonly Span[]): number {
  let atUs = fromUs;
  for (const { fromUs: start, toUs } of spans.toSorted((a, b) => a.fromUs - b.fromUs)) {
    if (start <= atUs + quietUs && toUs > atUs) atUs = toUs;
  }
  return atUs;
}
