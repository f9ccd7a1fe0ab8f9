/**
 * The metrics of several processes as one text, in the format that they have.
 *
 * Pure.
 */
import { OPENMETRICS_END } from "../telemetry/metrics/render.ts";

/** Several texts as one: each family once, with its comments first and the samples of all. */
export function joinMetrics(texts: readonly string[]): string {
  const families = new Map<string, { comments: Set<string>; samples: string[] }>();
  let isOpenMetrics = false;
  for (const text of texts) {
    let family = { comments: new Set<string>(), samples: [] as string[] };
    for (const line of text.split("\n")) {
      if (line === OPENMETRICS_END) isOpenMetrics = true;
      else if (line.startsWith("#")) {
        const [, , name = ""] = line.split(" ", 3);
        family = families.get(name) ?? { comments: new Set(), samples: [] };
        families.set(name, family);
        family.comments.add(line);
      } else if (line !== "") family.samples.push(line);
    }
  }
  const lines = [...families.values()].flatMap(({ comments, samples }) => [
    ...comments,
    ...samples,
  ]);
  if (isOpenMetrics) lines.push(OPENMETRICS_END);
  return `${lines.join("\n")}\n`;
}
