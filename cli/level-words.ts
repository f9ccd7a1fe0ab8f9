/**
 * Words for what is logged. Pure; apart, so that help needs no gRPC.
 */

/** A level, or going back to the usual one. */
export const LEVEL_WORDS = ["debug", "info", "warn", "error", "usual"] as const;
/** One of {@link LEVEL_WORDS}. */
export type LevelWord = (typeof LEVEL_WORDS)[number];
