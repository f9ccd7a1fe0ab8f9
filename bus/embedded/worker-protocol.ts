/**
 * What the main thread and the store's worker say to each other.
 *
 * Appends travel as buffers of records (append-batch.ts), everything else as small objects: appends
 * are the only thing that comes by the ten thousand.
 */
import type { ErrorCode } from "../../proto/coded-error.ts";
import type { StoredBatch } from "../journal/journal-writer.ts";
import type { JournalSpan } from "../journal.ts";
import type { KeyValueChange, KeyValueEntry, KeyWrite } from "../key-value.ts";
import type { Position } from "../position.ts";
import type { GroupWish, ShardChange, ShardWish } from "../shard-admin.ts";
import type { JournalRow } from "./journal-table.ts";
import type { EncodedPage } from "./message-page.ts";
import type { EmbeddedBusOptions } from "./options.ts";
import type { LogFacts, RoomCount } from "./shard-log.ts";

/** What the worker is started with. */
export interface WorkerStart {
  readonly options: EmbeddedBusOptions;
}

/** Reads; answered by their `id`, in any order with respect to appends. */
export type ReadRequest =
  | PageRequest<"readAfter">
  | PageRequest<"readBefore">
  | { readonly op: "head"; token: string; slot: number }
  | { readonly op: "floor"; token: string; slot: number; count: number }
  | { readonly op: "facts"; shards: readonly number[] }
  | { readonly op: "roomCounts"; shard: number; afterRoom: number }
  | { readonly op: "kvGet"; bucket: string; key: string }
  | { readonly op: "kvList"; bucket: string; prefix: string }
  | { readonly op: "kvWatch"; bucket: string; prefixes: readonly string[] }
  | { readonly op: "kvUnwatch"; bucket: string }
  | { readonly op: "journalRead"; bucket: string; sinceUs: number; afterId: number }
  | { readonly op: "journalSpan" };

interface PageRequest<Op> {
  readonly op: Op;
  readonly token: string;
  readonly slot: number;
  readonly position: Position | null;
  readonly limit: number;
}

/** Answer when a number was taken, or given back, meanwhile: ask again with others. */
export const NUMBER_TAKEN = -1;

/** Changes of shards, groups and slots (bus/shard-admin.ts). */
export type ShardRequest =
  | {
      readonly op: "shardCreate";
      /** The number it is to get; another asker may have taken it (NUMBER_TAKEN). */
      readonly shard: number;
      readonly wish: ShardWish;
      readonly along: readonly KeyWrite[];
    }
  | {
      readonly op: "shardUpdate";
      readonly shard: number;
      readonly change: ShardChange;
      readonly revision: number;
      readonly along: readonly KeyWrite[];
    }
  | {
      readonly op: "shardDelete";
      readonly shard: number;
      readonly discardHistory: boolean;
      readonly along: readonly KeyWrite[];
    }
  | {
      readonly op: "groupCreate";
      readonly wish: GroupWish;
      /** Numbers that its shards are to get, as in "shardCreate". */
      readonly shards: readonly number[];
      readonly along: readonly KeyWrite[];
    }
  | {
      readonly op: "groupDelete";
      readonly group: number;
      readonly revision: number;
      /** Its shards, as the asker knows them. */
      readonly shards: readonly number[];
      readonly along: readonly KeyWrite[];
    }
  | { readonly op: "moveSlot"; readonly slot: number; readonly shard: number };

/** Changes of keys. */
export type KeyRequest =
  | { readonly op: "kvCreate"; bucket: string; key: string; value: Uint8Array; ttlMs: number }
  | {
      readonly op: "kvUpdate";
      bucket: string;
      key: string;
      value: Uint8Array;
      revision: number;
      ttlMs: number;
    }
  | { readonly op: "kvDelete"; bucket: string; key: string; revision: number | null }
  | { readonly op: "kvCommit"; bucket: string; writes: readonly KeyWrite[] };

/** Records to keep; committed apart, and without an fsync. */
export interface JournalRequest {
  readonly op: "journalAdd";
  readonly batches: readonly StoredBatch[];
}

/** Changes that are committed together with the appends that wait. */
export type CommitRequest = KeyRequest | ShardRequest;

/** Changes. */
export type WriteRequest = CommitRequest | JournalRequest;

/** One batch of appends. */
export interface BatchMessage {
  readonly buffer: ArrayBuffer;
  readonly count: number;
  /** Bytes of the records; the buffer may be larger. */
  readonly bytes: number;
}

/** Messages to the worker, worked on in the order sent but for reads. */
export type ToWorker =
  | {
      readonly kind: "append";
      readonly batches: readonly BatchMessage[];
      /** See {@link FromWorker} `appended`. */
      readonly fence: number;
    }
  | { readonly kind: "read"; readonly id: number; readonly request: ReadRequest }
  | { readonly kind: "write"; readonly id: number; readonly request: WriteRequest }
  | { readonly kind: "close" };

/** Value of an answer, by the request's `op`. */
export type AnswerValue =
  | EncodedPage
  | Position
  | readonly (LogFacts | null)[]
  | readonly RoomCount[]
  | readonly JournalRow[]
  | JournalSpan
  | KeyValueEntry
  | KeyValueEntry[]
  | readonly number[]
  | number
  | null;

/** A change of a key, with the bucket it is in. */
export interface BucketChange extends KeyValueChange {
  readonly bucket: string;
}

/** Messages from the worker. */
export type FromWorker =
  | { readonly kind: "opened" }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly detail: string }
  | {
      readonly kind: "appended";
      /** The buffers of some "append" messages, in order, records settled. */
      readonly buffers: readonly ArrayBuffer[];
      /**
       * Rises when records were refused that may be retried. Batches sent with a lower fence are
       * refused too: they were appended before the caller heard of the refusal, and storing them
       * would overtake the retries (R3).
       */
      readonly fence: number;
      /** Why records were refused; empty when none was. */
      readonly detail: string;
    }
  | { readonly kind: "answer"; readonly id: number; readonly value: AnswerValue }
  | {
      readonly kind: "failure";
      readonly id: number;
      readonly code: ErrorCode;
      readonly detail: string;
    }
  | { readonly kind: "changes"; readonly changes: readonly BucketChange[] }
  | { readonly kind: "broken"; readonly code: ErrorCode; readonly detail: string }
  | { readonly kind: "closed" };
