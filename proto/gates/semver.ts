/**
 * Semantic versions and ranges, by npm's own implementation.
 *
 * Pure. Loaded with the first version that is looked at, and its parts alone: whoever has no gates
 * does not pay for it (6 ms). Pre-releases count as versions of their own, as npm's
 * `includePrerelease` has it: else no range without one would hold 2.1.0-beta.1, and a gate that
 * wants ">=2.0.0" would refuse those who test what comes next.
 */
import { createRequire } from "node:module";
import type { Range, SemVer } from "semver";

/** Characters of a range: one of this length still parses in well below a millisecond. */
export const RANGE_CHARS_MAX = 256;
/** Alternatives ("||") of a range: each is looked at for each client. */
export const RANGE_PARTS_MAX = 16;

const options = { includePrerelease: true } as const;
const load = createRequire(import.meta.url);

/**
 * A version as clients write it. Parts that are missing count as 0 ("2.1" is 2.1.0), since stores
 * of apps allow such; a leading "v" is left out.
 *
 * @returns null for what is no version: "", "nightly", "1.2.3.4".
 */
export function parseVersion(text: string): SemVer | null {
  const Version = load("semver/classes/semver") as typeof SemVer;
  const short = /^v?(\d+)(?:\.(\d+))?$/.exec(text);
  const full = short === null ? text : `${short[1]}.${short[2] ?? 0}.0`;
  try {
    return new Version(full, options); // of other options each test would read it anew
  } catch {
    return null; // no version: which gates that concerns is theirs to say
  }
}

/** A range, or a sentence: what is wrong with it. */
export function parseRange(text: string): Range | string {
  if (text.length > RANGE_CHARS_MAX) {
    return `has ${text.length} characters, at most ${RANGE_CHARS_MAX}`;
  }
  if (text.split("||").length > RANGE_PARTS_MAX) {
    return `has more than ${RANGE_PARTS_MAX} alternatives`;
  }
  const VersionRange = load("semver/classes/range") as typeof Range;
  const shown = JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);
  if (text.split("||").some((part) => part.trim() === "")) {
    return `${shown} has an empty alternative, which is every version; write * if that is meant`;
  }
  let range: Range;
  try {
    range = new VersionRange(text, options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return `${shown} is no semantic version range such as ">=2.1.0 <3": ${reason.slice(0, 80)}`;
  }
  const min = load("semver/ranges/min-version") as (given: Range, how: object) => SemVer | null;
  if (min(range, options) === null) return `${shown} holds no version at all`;
  return range;
}

/** Whether some version is in both. */
export function isOverlapping(left: Range, right: Range): boolean {
  const intersects = load("semver/ranges/intersects") as (
    a: Range,
    b: Range,
    how: object,
  ) => boolean;
  return intersects(left, right, options);
}

/** Whether every version of `part` is in `whole`. */
export function isWithin(part: Range, whole: Range): boolean {
  const subset = load("semver/ranges/subset") as (a: Range, b: Range, how: object) => boolean;
  return subset(part, whole, options);
}
