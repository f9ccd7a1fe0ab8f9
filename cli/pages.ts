/**
 * What commands read of answers: lists page by page, and the one thing that was asked for.
 */
import { Failure } from "./failure.ts";

/** One page of a list. */
export interface Page<T> {
  readonly items: readonly T[];
  /** Token of the next page; empty when this is the last. */
  readonly next: string;
}

/**
 * All pages of a list, or as many as hold `countMax` things.
 *
 * @param read asks for one page of at most `countLeft` things (Infinity without `countMax`).
 */
export async function pages<T>(
  read: (pageToken: string, countLeft: number) => Promise<Page<T>>,
  countMax = Number.POSITIVE_INFINITY,
): Promise<T[]> {
  const all: T[] = [];
  let pageToken = "";
  do {
    const { items, next } = await read(pageToken, countMax - all.length);
    all.push(...items);
    pageToken = next;
  } while (pageToken !== "" && all.length < countMax);
  return all;
}

/** What an answer must have. @throws {Failure} `INTERNAL`. */
export function present<T>(found: T | undefined): T {
  if (found !== undefined) return found;
  throw new Failure("INTERNAL", "the control plane sent an answer without what was asked for");
}
