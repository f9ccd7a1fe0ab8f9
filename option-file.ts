/**
 * Files that options name.
 */
import { readFileSync } from "node:fs";
import type { OptionName, OptionValues } from "./options.ts";
import { CodedError } from "./proto/coded-error.ts";

/**
 * The text of a file that an option names, or "" when it names none.
 *
 * @throws {CodedError} `OPTION_INVALID` naming option and file; never with what is in it.
 */
export function readOptionFile(options: OptionValues, name: OptionName): string {
  const file = options.text(name);
  if (file === "") return "";
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new CodedError("OPTION_INVALID", `${name}: ${file} can not be read`, error);
  }
}
