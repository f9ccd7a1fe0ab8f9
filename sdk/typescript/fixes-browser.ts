/**
 * What `#fixes` is where every byte is loaded over the network: docs/errors.md has the texts.
 */

/** No texts. */
export const FIXES: ReadonlyMap<string, string> = new Map();
