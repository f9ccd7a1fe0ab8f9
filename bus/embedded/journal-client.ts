/**
 * The journal of the embedded bus: a table of its store, by the worker's link.
 */

import type { JournalStore, StoredBatch } from "../journal/journal-writer.ts";
import type { JournalSpan } from "../journal.ts";
import type { JournalRow } from "./journal-table.ts";
import type { WorkerLink } from "./worker-link.ts";

/** See the file's header. */
export class EmbeddedJournal implements JournalStore {
  readonly #link: WorkerLink;

  constructor(link: WorkerLink) {
    this.#link = link;
  }

  async write(batches: readonly StoredBatch[]): Promise<void> {
    await this.#link.request("write", { op: "journalAdd", batches });
  }

  async read(
    bucket: string,
    sinceUs: number,
    visit: (bytes: Uint8Array) => boolean,
  ): Promise<void> {
    for (let afterId = 0; ; ) {
      const request = { op: "journalRead", bucket, sinceUs, afterId } as const;
      const rows = (await this.#link.request("read", request)) as readonly JournalRow[];
      for (const { id, bytes } of rows) {
        if (!visit(bytes)) return;
        afterId = id;
      }
      if (rows.length === 0) return;
    }
  }

  async span(): Promise<JournalSpan | null> {
    return (await this.#link.request("read", { op: "journalSpan" })) as JournalSpan;
  }
}
