/**
 * Requests that were carried out, so that their repeats get the first answer.
 *
 * A record lives 24 h on the bus KV, and is written in the commit of the change that it speaks of:
 * there is no change without it, and no answer for a change that was not made.
 */
import { createHash } from "node:crypto";
import type { KeyValue, KeyWrite } from "../bus/key-value.ts";
import { RequestRecord } from "../proto/gen/tidegate/bus/v1/request_record.ts";
import type { Caller } from "./access/caller.ts";
import type { AuditSubject } from "./audit/audit-entry.ts";
import { InvalidFieldsError, shown } from "./invalid-fields.ts";

/** How long a request is remembered, ms. */
export const REQUEST_TTL_MS = 24 * 3600 * 1000;
/** What keys of requests begin with. */
export const REQUEST_PREFIX = "request.";
/** Characters of a request id. */
export const REQUEST_ID_CHARS_MAX = 64;

/** A record as a change left it. */
export interface WrittenRecord {
  /** Null: it was deleted. */
  readonly value: Uint8Array | null;
  readonly revision: number;
}

/** @throws {InvalidFieldsError} `REQUEST_INVALID`; the empty id is no id, and fine. */
export function checkRequestId(requestId: string): void {
  if (/^[ -~]*$/.test(requestId) && requestId.length <= REQUEST_ID_CHARS_MAX) return;
  const description = `${shown(requestId)} is not up to ${REQUEST_ID_CHARS_MAX} printable ASCII characters`;
  throw new InvalidFieldsError([{ field: "request_id", description }]);
}

/**
 * What a request with this id did before; null when it is new.
 *
 * @throws {CodedError} `REQUEST_INVALID` when the id was another request's; `UNAVAILABLE`.
 */
export async function findRepeat(
  keys: KeyValue,
  caller: Caller,
  subject: AuditSubject,
  requestId: string,
): Promise<WrittenRecord | null> {
  if (requestId === "") return null;
  const entry = await keys.get(requestKey(caller, requestId));
  if (entry === null) return null;
  const record = RequestRecord.decode(entry.value);
  if (record.method !== subject.method || record.resource !== subject.resource) {
    const description = `was used within 24 h for ${record.method} of ${shown(record.resource)}`;
    throw new InvalidFieldsError([{ field: "request_id", description }]);
  }
  const value = record.deleted ? null : record.value;
  return { value, revision: entry.revision - record.revisionDistance };
}

/**
 * The write that remembers a request; none without an id.
 *
 * @param value of the changed record; null: deleted.
 * @param distance places behind the changed record in the commit.
 */
export function requestWrites(
  caller: Caller,
  subject: AuditSubject,
  requestId: string,
  value: Uint8Array | null,
  distance: number,
): KeyWrite[] {
  if (requestId === "") return [];
  const record: RequestRecord = {
    ...subject,
    value: Buffer.from(value ?? []),
    deleted: value === null,
    revisionDistance: distance,
  };
  const encoded = RequestRecord.encode(record).finish();
  const key = requestKey(caller, requestId);
  return [{ key, value: encoded, revision: 0, ttlMs: REQUEST_TTL_MS }];
}

/** A caller's ids are its own: nobody learns another's answers. */
function requestKey({ principal }: Caller, requestId: string): string {
  const hash = createHash("sha256").update(JSON.stringify([principal, requestId]));
  return `${REQUEST_PREFIX}${hash.digest("base64url").slice(0, 32)}`;
}
