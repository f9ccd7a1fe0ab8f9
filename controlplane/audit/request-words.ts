/**
 * What a request, of any kind, says of itself: for the audit of calls that were refused before
 * anybody looked at them closely.
 *
 * Pure.
 */

/** Fields that name what a request is about, the nearest first. */
const nameFields = ["name", "parent", "slot", "shard", "gateway", "room", "tenant", "user"];

/** The resource a request names; empty when it names none. */
export function resourceOf(request: unknown): string {
  if (typeof request !== "object" || request === null) return "";
  const fields = request as Readonly<Record<string, unknown>>;
  for (const field of nameFields) {
    const value = fields[field];
    if (typeof value === "string" && value !== "") return value;
  }
  // An update carries the resource itself, e.g. `room_class`.
  for (const value of Object.values(fields)) {
    if (typeof value !== "object" || value === null || !("name" in value)) continue;
    if (typeof value.name === "string" && value.name !== "") return value.name;
  }
  return "";
}

/** The request's id, cut as entries want it; empty when it has none. */
export function requestIdOf(request: unknown): string {
  if (typeof request !== "object" || request === null || !("requestId" in request)) return "";
  return typeof request.requestId === "string" ? request.requestId.slice(0, 64) : "";
}
