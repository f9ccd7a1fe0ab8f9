/**
 * The trace of something that has a name, and that several processes work on one after the other:
 * an operation of the control plane, a drain.
 *
 * Pure. Its ids follow from the name, so that whoever does a part of it, a next leader too, records
 * into the same trace without being told.
 */
import { createHash } from "node:crypto";
import type { SpanContext } from "./trace-context.ts";

/** Names of the span that stands for all of it. @param name unique, of any length. */
export function operationContext(name: string): SpanContext {
  const hash = createHash("sha256").update(name).digest("hex");
  return { traceId: hash.slice(0, 32), spanId: hash.slice(32, 48) };
}
