/**
 * The one door of changes: a record, its audit entry and the memory of its request in one commit.
 *
 * Every mutating call goes through it. It reads the record, lets the caller's rules decide, and
 * writes all or nothing; when somebody else wrote in between it decides anew. Work that the bus
 * commits itself (ShardAdmin) takes the entry along by {@link ControlStore.along}.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValue, KeyWrite } from "../bus/key-value.ts";
import { CodedError } from "../proto/coded-error.ts";
import { CONTROL_BUCKET } from "../proto/control-bucket.ts";
import type { Caller } from "./access/caller.ts";
import type { AuditSubject } from "./audit/audit-entry.ts";
import { AuditLog } from "./audit/audit-log.ts";
import { shown } from "./invalid-fields.ts";
import { checkRequestId, findRepeat, requestWrites, type WrittenRecord } from "./request-memory.ts";

/**
 * A caller who gave no etag wants the last word: its change is decided anew this often. Each lost
 * race is another's success, so only that many writers at once on one record get ETAG_MISMATCH.
 */
const raceCountMax = 16;

/** A record as it is now: `value` null and `revision` 0 when there is none. */
export interface StoredRecord {
  readonly value: Uint8Array | null;
  readonly revision: number;
}

/** What to do with a record, if its revision still is the one that was looked at. */
export type RecordChange =
  | { readonly kind: "none" }
  | {
      readonly kind: "write";
      readonly value: Uint8Array;
      /** The record goes by itself after this, ms, 1000 or more; left out: it stays. */
      readonly ttlMs?: number;
      /** For the audit log: anything JSON can say; undefined when it did not exist. */
      readonly before: unknown;
      readonly after: unknown;
      /** Further writes of the same commit, each with the revision it was decided on. */
      readonly along?: readonly KeyWrite[];
    }
  | { readonly kind: "erase"; readonly before: unknown; readonly along?: readonly KeyWrite[] };

/** What is to be changed, and by which rules. */
export interface ChangeSpec {
  /** Key in the bucket "control". */
  readonly key: string;
  /** Is called again after a lost race. Throws to refuse. */
  decide(stored: StoredRecord): RecordChange | Promise<RecordChange>;
  readonly audit: AuditSubject;
}

/** What the request says of how it is to be carried out. */
export interface ChangeWish {
  /** The record's revision as text; empty or left out: whatever it is. */
  readonly etag?: string;
  /** Decides, writes nothing. */
  readonly validateOnly: boolean;
  /** A repeat within 24 h gets the first answer; empty for none. */
  readonly requestId: string;
}

/** A record after a change; for `validateOnly` as it would be, at the revision it has. */
export interface ChangeAnswer extends WrittenRecord {
  /** The answer of an earlier call with this request id: nothing was done now. */
  readonly isRepeat: boolean;
}

export class ControlStore {
  /** The bucket "control", for reads and for what is not a caller's change. */
  readonly keys: KeyValue;
  readonly audit: AuditLog;

  private constructor(keys: KeyValue) {
    this.keys = keys;
    this.audit = new AuditLog(keys);
  }

  /** Opens the bucket. Throws `UNAVAILABLE`. */
  static async open(bus: Bus): Promise<ControlStore> {
    return new ControlStore(await bus.keyValue(CONTROL_BUCKET));
  }

  /**
   * Reads, decides and writes, anew when someone else wrote in between.
   *
   * @throws {CodedError} what `decide` throws; `ETAG_MISMATCH` for a stale etag and after 16 lost
   *   races; `REQUEST_INVALID` for the request id; `UNAVAILABLE`: all or nothing was done, and a
   *   repeat with the same request id is safe.
   */
  async changeRecord(caller: Caller, spec: ChangeSpec, wish: ChangeWish): Promise<ChangeAnswer> {
    checkRequestId(wish.requestId);
    for (let round = 1; ; round += 1) {
      const repeat = await this.findRepeat(caller, spec.audit, wish);
      if (repeat !== null) return { ...repeat, isRepeat: true };
      const entry = await this.keys.get(spec.key);
      const stored = { value: entry?.value ?? null, revision: entry?.revision ?? 0 };
      refuseOtherEtag(stored, spec, wish);
      const change = await spec.decide(stored);
      try {
        return await this.#apply(caller, spec, wish, stored, change);
      } catch (reason) {
        if (!isLostRace(reason)) throw reason;
        if (round < raceCountMax) continue;
        const text = `${shown(spec.audit.resource)} was changed ${round} times by others meanwhile`;
        throw new CodedError("ETAG_MISMATCH", text, reason);
      }
    }
  }

  /**
   * What an earlier call with this request id did; null when it is new, or has none.
   *
   * @throws {CodedError} `REQUEST_INVALID` when the id was another request's; `UNAVAILABLE`.
   */
  async findRepeat(
    caller: Caller,
    subject: AuditSubject,
    wish: Pick<ChangeWish, "requestId" | "validateOnly">,
  ): Promise<WrittenRecord | null> {
    checkRequestId(wish.requestId);
    return wish.validateOnly ? null : findRepeat(this.keys, caller, subject, wish.requestId);
  }

  /**
   * The writes that go along with a change which somebody else commits: audit entry, and memory of
   * the request.
   *
   * @param answer what {@link findRepeat} gives as `value` to a repeat; its `revision` means
   *   nothing then.
   */
  along(
    caller: Caller,
    subject: AuditSubject,
    states: { readonly before?: unknown; readonly after?: unknown },
    requestId: string,
    answer: Uint8Array = new Uint8Array(0),
  ): KeyWrite[] {
    return [
      this.audit.write(subject, caller, { ...states, requestId }),
      ...requestWrites(caller, subject, requestId, answer, 0),
    ];
  }

  async #apply(
    caller: Caller,
    { key, audit }: ChangeSpec,
    { validateOnly, requestId }: ChangeWish,
    stored: StoredRecord,
    change: RecordChange,
  ): Promise<ChangeAnswer> {
    if (change.kind === "none") return { ...stored, isRepeat: false };
    const value = change.kind === "write" ? change.value : null;
    if (validateOnly) return { value, revision: stored.revision, isRepeat: false };
    const { along = [] } = change;
    const ttlMs = change.kind === "write" ? (change.ttlMs ?? 0) : 0;
    const states = { before: change.before, after: change.kind === "write" ? change.after : null };
    const [revision = 0] = await this.keys.commit([
      { key, value, revision: stored.revision, ttlMs },
      ...along,
      this.audit.write(audit, caller, { ...states, requestId }),
      ...requestWrites(caller, audit, requestId, value, along.length + 2),
    ]);
    return { value, revision, isRepeat: false };
  }
}

function refuseOtherEtag(stored: StoredRecord, { audit }: ChangeSpec, { etag }: ChangeWish): void {
  const present = String(stored.revision);
  if (etag === undefined || etag === "" || etag === present) return;
  const now = stored.revision === 0 ? "does not exist now" : `has etag ${shown(present)} now`;
  throw new CodedError(
    "ETAG_MISMATCH",
    `${audit.resource} ${now}, not ${shown(etag)}: it has changed since`,
  );
}

function isLostRace(reason: unknown): boolean {
  return reason instanceof CodedError && reason.code === "ETAG_MISMATCH";
}
