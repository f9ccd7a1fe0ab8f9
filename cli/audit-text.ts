/**
 * Audit entries as people and programs read them.
 *
 * Pure. What `-o json|yaml` prints is the object, what a table shows is made from it.
 */
import type { AuditEntry } from "../proto/gen/tidegate/control/v1/audit.ts";
import { formatTable } from "./table.ts";

/** An entry as printed. */
export type AuditText = ReturnType<typeof auditText>;

/** Characters of the last column: what is longer is in `-o json`. */
const changeCharsMax = 100;

/** An entry in words; states that are JSON come as what they say. */
export function auditText(entry: AuditEntry) {
  const { name, time, principal, role, peer, method, resource, outcome, detail } = entry;
  return {
    id: name.slice("auditEntries/".length),
    time: time?.toISOString() ?? "",
    ...{ principal, role, peer, method, resource },
    ...{ before: parseState(entry.before), after: parseState(entry.after), outcome, detail },
    requestId: entry.requestId,
    suppressedCount: Number(entry.suppressedCount),
  };
}

/** Entries as a table. */
export function auditTable(entries: readonly AuditText[]): string {
  const head = ["TIME", "WHO", "CALL", "RESOURCE", "OUTCOME", "CHANGE"];
  const rows = entries.map((entry) => [
    entry.time,
    entry.principal === "" ? `? (${entry.peer})` : entry.principal,
    entry.method.slice(entry.method.lastIndexOf("/") + 1),
    entry.resource || "-",
    entry.outcome,
    cut(entry.outcome === "OK" ? changeText(entry.before, entry.after) : refusalText(entry)),
  ]);
  return formatTable([head, ...rows.map((row) => row.map(oneLine))]);
}

/** What changed, field by field: "historyCountMax: 1000 -> 5". */
export function changeText(before: unknown, after: unknown): string {
  if (before === null) return after === null ? "-" : `made ${JSON.stringify(after)}`;
  if (after === null) return `gone; was ${JSON.stringify(before)}`;
  if (!isFields(before) || !isFields(after)) {
    return `${JSON.stringify(before)} -> ${JSON.stringify(after)}`;
  }
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes = [...names].flatMap((name) => {
    const [was, is] = [JSON.stringify(before[name]), JSON.stringify(after[name])];
    return was === is ? [] : [`${name}: ${was ?? "-"} -> ${is ?? "-"}`];
  });
  return changes.length === 0 ? "nothing" : changes.join(", ");
}

function refusalText({ detail, suppressedCount }: AuditText): string {
  return suppressedCount === 0 ? detail : `${detail} (and ${suppressedCount} not written before)`;
}

function isFields(state: unknown): state is Readonly<Record<string, unknown>> {
  return typeof state === "object" && state !== null && !Array.isArray(state);
}

/** What a state says; as it is when it is no JSON, null when there is none. */
function parseState(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text; // a later version may write something else: shown as it came
  }
}

/** Callers choose some of the words: no control character reaches a terminal. */
function oneLine(cell: string): string {
  return cell.replace(/\p{Cc}/gu, (char) => JSON.stringify(char).slice(1, -1));
}

function cut(text: string): string {
  return text.length <= changeCharsMax ? text : `${text.slice(0, changeCharsMax - 1)}…`;
}
