/**
 * flagd.sync.v1: flags for any OpenFeature or flagd client elsewhere, as flagd itself hands them
 * out.
 *
 * A stream has one message on its way; one that stands still later gets the newest alone. The
 * bucket is watched from the first stream on.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { CodedError } from "../../proto/coded-error.ts";
import { FLAG_SET_PREFIX, isFlagSetId } from "../../proto/flags/flag-record.ts";
import type {
  FetchAllFlagsRequest,
  FetchAllFlagsResponse,
  GetMetadataResponse,
  SyncFlagsRequest,
  SyncFlagsResponse,
} from "../../proto/gen/flagd/sync/v1/sync.ts";
import type { ControlStore } from "../control-store.ts";
import { InvalidFieldsError, shown } from "../invalid-fields.ts";
import type { Log } from "../log.ts";
import { FlagSetStore } from "./flag-set-store.ts";
import { syncDocument } from "./sync-document.ts";

/** Streams at once; the next ones are answered UNAVAILABLE, and may try another control plane. */
export const SYNC_STREAM_COUNT_MAX = 1000;
/** Changes are gathered so long, ms: a file of several sets is applied one by one. */
const GATHER_MS = 20;

/** A stream of definitions. */
export type SyncStream = ServerWritableStream<SyncFlagsRequest, SyncFlagsResponse>;

/** One stream, and what it has. */
interface Follower {
  readonly stream: SyncStream;
  /** Null for all sets. */
  readonly only: string | null;
  /** What was sent last. */
  sent: string;
  isBusy: boolean;
}

/** The calls of FlagSyncService. */
export class FlagSyncCalls {
  readonly #store: ControlStore;
  readonly #sets: FlagSetStore;
  readonly #log: Log;
  readonly #followers = new Set<Follower>();
  /** Documents of the present sets, by what was asked for. */
  #documents = new Map<string | null, string>();
  #watching: Promise<() => void> | null = null;
  /** One after the other: each reads sets that are no older than those of the one before. */
  #flushing: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(store: ControlStore, log: Log) {
    this.#store = store;
    this.#sets = new FlagSetStore(store);
    this.#log = log;
  }

  /** @throws {CodedError} `REQUEST_INVALID`, `UNAVAILABLE`. */
  async fetch({ selector }: FetchAllFlagsRequest, header: string): Promise<FetchAllFlagsResponse> {
    const only = parseSelector(header || selector);
    return { flagConfiguration: syncDocument(await this.#sets.stored(), only) };
  }

  metadata(): Promise<GetMetadataResponse> {
    return Promise.resolve({ metadata: {} });
  }

  /** Serves a stream until it ends. @throws {CodedError} `REQUEST_INVALID`, `UNAVAILABLE`. */
  async serve(stream: SyncStream): Promise<void> {
    const [header = ""] = stream.metadata.get("flagd-selector");
    const only = parseSelector(String(header) || stream.request.selector);
    if (this.#isClosed || this.#followers.size >= SYNC_STREAM_COUNT_MAX) {
      const why = this.#isClosed ? "it is stopping" : `${SYNC_STREAM_COUNT_MAX} streams are open`;
      throw new CodedError("UNAVAILABLE", why);
    }
    const follower: Follower = { stream, only, sent: "", isBusy: false };
    this.#followers.add(follower);
    for (const event of ["cancelled", "close", "error"]) {
      stream.on(event, () => this.#followers.delete(follower));
    }
    try {
      this.#watching ??= this.#watch();
      await this.#watching;
      await this.#flush();
    } catch (reason) {
      this.#watching = null;
      this.#followers.delete(follower);
      throw reason;
    }
  }

  /** Ends every stream: clients go to another control plane, or come back. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    void this.#watching?.then((stop) => stop());
    for (const { stream } of this.#followers) stream.end();
    this.#followers.clear();
  }

  async #watch(): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = await this.#store.keys.watch([FLAG_SET_PREFIX], {
      onChange: () => this.#flushSoon(),
      onSynced: resolve,
    });
    await promise;
    return stop;
  }

  #flushSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#flush().catch((error: unknown) => {
        this.#log.warn({ err: error }, "flags can not be read for flagd clients; trying again");
        if (!this.#isClosed) this.#flushSoon();
      });
    }, GATHER_MS).unref();
  }

  #flush(): Promise<void> {
    const flushed = this.#flushing.then(() => this.#sendAll());
    this.#flushing = flushed.catch(() => {}); // told to who waits for it
    return flushed;
  }

  /** Sends the present flags to all that are idle and lack them. */
  async #sendAll(): Promise<void> {
    const sets = await this.#sets.stored();
    this.#documents = new Map();
    for (const follower of this.#followers) {
      if (this.#isClosed) return;
      let document = this.#documents.get(follower.only);
      if (document === undefined) {
        document = syncDocument(sets, follower.only);
        this.#documents.set(follower.only, document);
      }
      this.#send(follower, document);
    }
  }

  #send(follower: Follower, document: string): void {
    if (follower.isBusy || follower.sent === document) return;
    follower.isBusy = true;
    follower.sent = document;
    const message = { flagConfiguration: document, syncContext: undefined };
    follower.stream.write(message, () => {
      follower.isBusy = false;
      const newest = this.#documents.get(follower.only);
      if (newest !== undefined && this.#followers.has(follower)) this.#send(follower, newest);
    });
  }
}

/** The set that a selector names; null for all. @throws {InvalidFieldsError} `REQUEST_INVALID`. */
export function parseSelector(selector: string): string | null {
  if (selector === "") return null;
  const id = selector.replace(/^(flagSetId=|flagSets\/)/, "");
  if (isFlagSetId(id)) return id;
  const description = `${shown(selector)} is no "flagSetId={set}", set [a-z][a-z0-9-]{0,31}`;
  throw new InvalidFieldsError([{ field: "selector", description }]);
}
