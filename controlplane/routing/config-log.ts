/**
 * The configuration as it is streamed to gateways: the newest record of each key, encoded once for
 * all who get it, and what changed since a version.
 *
 * A version is a revision of the bucket "control". Holds state; reads no clock and does no I/O.
 */
import type { KeyValueChange } from "../../bus/key-value.ts";
import { recordKind } from "../../proto/control-records.ts";
import { RecordKind } from "../../proto/gen/tidegate/control/v1/routing.ts";
import { StreamRoutingResponse } from "../../proto/gen/tidegate/control/v1/routing_service.ts";

/**
 * Bytes of one message, but for a record that is larger alone. Each stream has one on its way, so
 * 1 000 gateways that stand still hold 128 MB.
 */
export const FRAME_BYTES_MAX = 128 * 1024;
/** Deleted keys remembered; who has a version from before the oldest gets everything. */
export const TOMBSTONE_COUNT_MAX = 10_000;

/** Answers to gateways of different versions kept at once; beyond it they are made again. */
const DELTA_COUNT_MAX = 64;

const EMPTY = StreamRoutingResponse.decode(new Uint8Array(0));

/** The newest record of a key. */
interface Logged {
  readonly key: string;
  readonly revision: number;
  readonly isDeleted: boolean;
  /** The field `records` of a StreamRoutingResponse with this record alone. */
  readonly encoded: Uint8Array;
}

/** What brings a gateway to {@link ConfigLog.version}: encoded responses, in order. */
export type Frames = readonly Buffer[];

/** The log of one replica. */
export class ConfigLog {
  /** By key, in the order of their last change. */
  readonly #records = new Map<string, Logged>();
  #tombstoneCount = 0;
  #version = 0;
  /** Who has this version or a lower one can not be told what changed since. */
  #floor = 0;
  #snapshot: Frames | null = null;
  /** Answers to {@link since} at the present version. */
  readonly #deltas = new Map<number, Frames>();

  /** Counts what was applied: who has seen this count has nothing to get. */
  changeCount = 0;

  /** Highest revision it has heard of. */
  get version(): number {
    return this.#version;
  }

  /** Keys with a record. */
  get recordCount(): number {
    return this.#records.size - this.#tombstoneCount;
  }

  /**
   * Takes a change of the bucket; changes come in the order of revisions. What is older than the
   * key's record, or not streamed, changes nothing.
   */
  apply(change: KeyValueChange): void {
    const { key, value, revision } = change;
    const kind = recordKind(key);
    if (kind === RecordKind.UNSPECIFIED) return;
    const before = this.#records.get(key);
    if (before !== undefined && revision <= before.revision) return;
    // A deletion that was inferred: whoever is here already may have been told otherwise.
    if (revision < this.#version) this.#floor = this.#version;
    const isDeleted = value === null;
    const record = {
      ...{ key, kind, revision: BigInt(revision), deleted: isDeleted },
      value: Buffer.from(value ?? new Uint8Array(0)),
    };
    const encoded = encodeResponse({ records: [record] });
    if (before?.isDeleted === true) this.#tombstoneCount -= 1;
    if (isDeleted) this.#tombstoneCount += 1;
    this.#records.delete(key);
    this.#records.set(key, { key, revision, isDeleted, encoded });
    this.#version = Math.max(this.#version, revision);
    this.#forgetTombstones();
    this.changeCount += 1;
    this.#snapshot = null;
    this.#deltas.clear();
  }

  /** Everything up to `revision` was applied, and what was deleted before is not known. */
  markComplete(revision: number): void {
    this.#version = Math.max(this.#version, revision);
    this.#floor = Math.max(this.#floor, this.#version - 1);
    this.#snapshot = null;
    this.#deltas.clear();
  }

  /** What a gateway with `version` lacks: the records since, or everything. Made once for all. */
  since(version: number): Frames {
    if (version <= this.#floor || version > this.#version) return this.#whole();
    let delta = this.#deltas.get(version);
    if (delta === undefined) {
      const changed: Logged[] = [];
      for (const record of this.#records.values()) {
        if (record.revision > version) changed.push(record);
      }
      delta = toFrames(changed, this.#version, false);
      if (this.#deltas.size >= DELTA_COUNT_MAX) this.#deltas.clear();
      this.#deltas.set(version, delta);
    }
    return delta;
  }

  #whole(): Frames {
    if (this.#snapshot === null) {
      const present = [...this.#records.values()].filter(({ isDeleted }) => !isDeleted);
      this.#snapshot = toFrames(present, this.#version, true);
    }
    return this.#snapshot;
  }

  #forgetTombstones(): void {
    if (this.#tombstoneCount <= TOMBSTONE_COUNT_MAX) return;
    for (const { key, revision, isDeleted } of this.#records.values()) {
      if (!isDeleted) continue;
      this.#records.delete(key);
      this.#tombstoneCount -= 1;
      this.#floor = Math.max(this.#floor, revision);
      return;
    }
  }
}

/** Records as messages of at most FRAME_BYTES_MAX; at least one message. */
function toFrames(records: readonly Logged[], version: number, isSnapshot: boolean): Buffer[] {
  const groups: Uint8Array[][] = [[]];
  let bytes = 0;
  for (const { encoded } of records) {
    if (bytes > 0 && bytes + encoded.length > FRAME_BYTES_MAX) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(encoded);
    bytes += encoded.length;
  }
  return groups.map((group, i) => {
    const head = { version: BigInt(version), snapshot: isSnapshot, more: i < groups.length - 1 };
    return Buffer.concat([encodeResponse(head), ...group]); // fields of a message may be joined
  });
}

/** A response with these fields. */
export function encodeResponse(fields: Partial<StreamRoutingResponse>): Buffer {
  return Buffer.from(StreamRoutingResponse.encode({ ...EMPTY, ...fields }).finish());
}
