/**
 * The audit log on the bus KV: writes entries, alone or as a part of a commit, and reads them.
 *
 * An entry of a change is written with it, all or nothing; an entry of a refusal alone, as many as
 * refusal-rate.ts lets through, so that a flood of refused calls neither fills the store nor hides
 * what else happened.
 */
import { randomBytes } from "node:crypto";
import type { KeyValue, KeyWrite } from "../../bus/key-value.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import type { Caller } from "../access/caller.ts";
import { type AuditOutcome, type AuditSubject, encodeEntry, entryId } from "./audit-entry.ts";
import { RefusalRate } from "./refusal-rate.ts";

/** How long the entry of a change is kept, ms: 90 days, a quarter. */
export const AUDIT_RETENTION_MS = 90 * 24 * 3600 * 1000;
/** How long that of a refused call is, ms: 14 days, so that a flood can not push changes out. */
export const REFUSED_RETENTION_MS = 14 * 24 * 3600 * 1000;

export class AuditLog {
  readonly #keys: KeyValue;
  readonly #instance = randomBytes(4).toString("hex");
  /** Apart: strangers who knock hide nobody who oversteps, and neither hides a mistake. */
  readonly #rates = {
    unknown: new RefusalRate(),
    role: new RefusalRate(),
    other: new RefusalRate(),
  };
  #count = 0;

  constructor(keys: KeyValue) {
    this.#keys = keys;
  }

  /** The write of an entry, for the commit of the change that it tells of. */
  write(subject: AuditSubject, caller: Caller, outcome: AuditOutcome): KeyWrite {
    return this.#encode(subject, caller, caller.peer, outcome);
  }

  /**
   * Writes an entry alone: of a call that did something, but changed no record.
   *
   * @throws {CodedError} `UNAVAILABLE`.
   */
  async append(subject: AuditSubject, caller: Caller, outcome: AuditOutcome): Promise<void> {
    await this.#keys.commit([this.write(subject, caller, outcome)]);
  }

  /**
   * Writes that a call was refused, or counts it when there were too many. Never throws: the call
   * is answered all the same.
   *
   * @param caller null when it did not prove who it is.
   * @returns why it could not be written; null when all is well.
   */
  async refuse(
    subject: AuditSubject,
    caller: Caller | null,
    peer: string,
    error: CodedError,
    requestId: string,
  ): Promise<unknown> {
    const { code, detail } = error;
    const kind = caller === null ? "unknown" : code === "ROLE_REQUIRED" ? "role" : "other";
    const rate = this.#rates[kind];
    const suppressedCount = rate.take(performance.now());
    if (suppressedCount === null) return null;
    const outcome = { code, detail, requestId, suppressedCount };
    try {
      await this.#keys.commit([this.#encode(subject, caller, peer, outcome)]);
      return null;
    } catch (reason) {
      rate.giveBack(suppressedCount);
      return reason;
    }
  }

  #encode(
    subject: AuditSubject,
    caller: Caller | null,
    peer: string,
    outcome: AuditOutcome,
  ): KeyWrite {
    this.#count += 1;
    const timeMs = Date.now();
    const id = entryId(timeMs, this.#count, this.#instance);
    const entry = encodeEntry(subject, caller, peer, outcome, { id, timeMs });
    const ttlMs = outcome.code === undefined ? AUDIT_RETENTION_MS : REFUSED_RETENTION_MS;
    return { ...entry, revision: 0, ttlMs };
  }
}
