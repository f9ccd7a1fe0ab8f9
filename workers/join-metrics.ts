/**
 * The metrics of several processes as one text.
 *
 * Pure.
 */

/** Several texts as one: each family once, with the samples of all. */
export function joinMetrics(texts: readonly string[]): string {
  const joined = new Map<string, string[]>();
  for (const text of texts) {
    let head = "";
    for (const line of text.split("\n")) {
      if (line === "") continue;
      if (line.startsWith("# HELP ")) head = line;
      const lines = joined.get(head) ?? [];
      const isKnown = line.startsWith("#") && lines.includes(line);
      if (!isKnown) lines.push(line);
      joined.set(head, lines);
    }
  }
  return `${[...joined.values()].flat().join("\n")}\n`;
}
