/**
 * The text that a command is given with `-f`: of a file, or of stdin.
 */
import { readFile } from "node:fs/promises";
import type { Context } from "./context.ts";
import { usageError } from "./failure.ts";

/** Bytes of a file to apply; a record has some hundred. */
const fileBytesMax = 1024 * 1024;

/** Reads a file, or stdin for "-". @throws {Failure} `OPTION_INVALID`. */
export async function readInput(context: Context, file: string): Promise<string> {
  const chunks: Buffer[] = [];
  if (file === "-") {
    let bytes = 0;
    for await (const chunk of context.stdin) {
      bytes += chunk.length;
      if (bytes > fileBytesMax) throw usageError(`stdin has more than ${fileBytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }
  try {
    const content = await readFile(file);
    if (content.length <= fileBytesMax) return content.toString();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw usageError(`the file can not be read: ${reason}`, "Name a file, or - for stdin.", cause);
  }
  throw usageError(`${file} has more than ${fileBytesMax} bytes`, "Split it.");
}
