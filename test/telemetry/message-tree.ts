/**
 * The tree of one message, out of spans as a collector got them.
 */
import type { ReceivedSpan } from "./otlp-receiver.ts";

/** A span with what began inside it. */
export interface SpanTree extends ReceivedSpan {
  /** Sorted by who sent them, then by name. */
  readonly children: readonly SpanTree[];
}

/**
 * Builds the tree.
 *
 * @param spans of one trace.
 * @throws {Error} unless there is one root, and each other span's parent is among them.
 */
export function treeOf(spans: readonly ReceivedSpan[]): SpanTree {
  const ids = new Set(spans.map((span) => span.spanId));
  if (ids.size !== spans.length) throw new Error("two spans have one id");
  const roots = spans.filter((span) => !ids.has(span.parentSpanId));
  const [root] = roots;
  if (root === undefined || roots.length > 1 || root.parentSpanId !== "") {
    throw new Error(`roots: ${roots.map((span) => `${whoOf(span)} ${span.name}`).join(", ")}`);
  }
  return withChildren(root, spans);
}

/** The tree as lines, two spaces a level: who, name, kind. */
export function drawTree(tree: SpanTree, depth = 0): string[] {
  const line = `${"  ".repeat(depth)}${whoOf(tree)} ${tree.name} ${tree.kind}`;
  return [line, ...tree.children.flatMap((child) => drawTree(child, depth + 1))];
}

/** All spans of a tree. */
export function* spansIn(tree: SpanTree): Iterable<SpanTree> {
  yield tree;
  for (const child of tree.children) yield* spansIn(child);
}

function withChildren(span: ReceivedSpan, spans: readonly ReceivedSpan[]): SpanTree {
  const own = spans.filter((each) => each.parentSpanId === span.spanId);
  const children = own.map((child) => withChildren(child, spans));
  const key = (each: ReceivedSpan) => `${whoOf(each)} ${each.name}`;
  children.sort((a, b) => key(a).localeCompare(key(b)));
  return { ...span, children };
}

/** A process of the fleet by its id, a client by its service. */
function whoOf({ service, resource }: ReceivedSpan): string {
  return service === "tidegate" ? String(resource["service.instance.id"]) : service;
}
