/**
 * How our own Node starts a file of ours, for everything that starts processes.
 */
import path from "node:path";

/** No word about type stripping, and what was stripped once is not stripped again. */
export const NODE_FLAGS: readonly string[] = [
  "--disable-warning=ExperimentalWarning",
  `--import=${path.join(import.meta.dirname, "../fast-start.mjs")}`,
];
