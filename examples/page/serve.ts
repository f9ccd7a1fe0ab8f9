/**
 * The demo page's files, by path.
 */
import type { PageFile } from "../../gateway/http.ts";

/** The file for a path of the page, or null. */
export async function pageFile(_path: string): Promise<PageFile | null> {
  return null;
}
