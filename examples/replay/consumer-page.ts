/**
 * The browser consumer: a page with nothing but this script. The run gives it its work and takes
 * its reports through two names on the page (consumers.ts).
 */
import { consume } from "./consume.ts";
import type { Report } from "./report.ts";

/** Reports go out together this often: each is a call out of the browser. */
const REPORT_INTERVAL_MS = 100;

/** What the run puts on the page. */
interface ReplayPage {
  readonly replayWork: { readonly url: string; readonly rooms: readonly string[] };
  replayReport(lines: readonly Report[]): Promise<void>;
}

const page = globalThis as unknown as ReplayPage;
const waiting: Report[] = [];
setInterval(() => {
  if (waiting.length > 0) void page.replayReport(waiting.splice(0));
}, REPORT_INTERVAL_MS);
await consume(page.replayWork.url, page.replayWork.rooms, (line) => waiting.push(line));
