/**
 * A file of things to apply: one of them, an array, or what `list -o json|yaml` prints.
 */
import { usageError } from "./failure.ts";
import { parseInput } from "./output.ts";

/**
 * The entries of a JSON or YAML text, one or more.
 *
 * @param noun what an entry is, for errors.
 * @param fix how to write one.
 * @throws {Failure} `OPTION_INVALID` for a text that is neither, or holds none.
 */
export function parseEntries(text: string, noun: string, fix: string): unknown[] {
  let value: unknown;
  try {
    value = parseInput(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`the file is neither JSON nor YAML: ${reason}`, fix, cause);
  }
  const list = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw usageError(`the file holds no ${noun}`, fix);
  return list;
}
