/**
 * AuditService: who changed what, and what was refused.
 */
import type { KeyValue } from "../bus/key-value.ts";
import type {
  ListAuditEntriesRequest,
  ListAuditEntriesResponse,
} from "../proto/gen/tidegate/control/v1/audit_service.ts";
import { timeOfEntryId } from "./audit/audit-entry.ts";
import { type AuditFilter, idOf, readAudit } from "./audit/audit-reader.ts";
import { type FieldViolation, refuseInvalidFields } from "./invalid-fields.ts";
import { badPageToken, decodePageToken, encodePageToken } from "./page-token.ts";

/** Entries of a page when the request says 0, and at most. */
const sizeDefault = 100;
const sizeMax = 500;
/** Characters of a filter: longer ones fit no entry. */
const filterCharsMax = 256;

/** The calls of AuditService; each throws a CodedError to refuse. */
export class AuditCalls {
  readonly #keys: KeyValue;

  constructor(keys: KeyValue) {
    this.#keys = keys;
  }

  async list(request: ListAuditEntriesRequest): Promise<ListAuditEntriesResponse> {
    const { resource, principal, method, refusedOnly, startTime, endTime } = request;
    checkFilters(request);
    const filter: AuditFilter = {
      ...{ resource, principal, method, refusedOnly },
      startMs: startTime?.getTime() ?? null,
      endMs: endTime?.getTime() ?? null,
    };
    const scope = ["ListAuditEntries", JSON.stringify(Object.values(filter))];
    const beforeId = placeOf(decodePageToken(scope, request.pageToken));
    const size = Math.min(request.pageSize || sizeDefault, sizeMax);
    // One more than the page has: whether there is a next one.
    const found = await readAudit(this.#keys, filter, beforeId, size + 1, Date.now());
    const auditEntries = found.slice(0, size);
    const last = auditEntries.at(-1);
    const hasMore = last !== undefined && found.length > size;
    return { auditEntries, nextPageToken: hasMore ? encodePageToken(scope, [idOf(last)]) : "" };
  }
}

function checkFilters(request: ListAuditEntriesRequest): void {
  const texts = ["resource", "principal", "method"] as const;
  const violations: FieldViolation[] = texts
    .filter((field) => request[field].length > filterCharsMax)
    .map((field) => ({ field, description: `has more than ${filterCharsMax} characters` }));
  const { startTime, endTime } = request;
  for (const [field, time] of Object.entries({ start_time: startTime, end_time: endTime })) {
    if (time === undefined || isWithinYears(time)) continue;
    violations.push({ field, description: "is not of the years 1970 to 9999" });
  }
  if (startTime !== undefined && endTime !== undefined && startTime >= endTime) {
    violations.push({ field: "end_time", description: "is not after start_time" });
  }
  refuseInvalidFields(violations);
}

function isWithinYears(time: Date): boolean {
  const ms = time.getTime();
  return ms >= 0 && ms < Date.UTC(10_000, 0);
}

function placeOf(place: readonly string[] | null): string | null {
  if (place === null) return null;
  const [id = "", ...rest] = place;
  if (rest.length > 0 || Number.isNaN(timeOfEntryId(id))) throw badPageToken();
  return id;
}
