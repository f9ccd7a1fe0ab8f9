/**
 * Flags of the system's own behaviour: keys that no other flag may have. Pure.
 *
 * What they do, and within which bounds, is in gateway/flags/system-flags.ts.
 */

/** Kind of each, by key. */
export const SYSTEM_FLAG_KINDS: ReadonlyMap<string, "boolean" | "number"> = new Map<
  string,
  "boolean" | "number"
>([
  ["tidegate.ack-window-ms", "number"],
  ["tidegate.trace-ratio", "number"],
  ["tidegate.flag-exposures", "boolean"],
  ["tidegate.live-flags", "boolean"],
]);
