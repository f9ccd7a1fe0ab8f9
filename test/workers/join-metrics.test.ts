/** The metrics of several workers as one text. */
import { expect, test } from "vitest";
import { joinMetrics } from "../../workers/join-metrics.ts";

test("metrics: texts of several workers are one, each family once", () => {
  const first = '# HELP a b\n# TYPE a gauge\na{gateway="1"} 1\n# HELP c d\n# TYPE c gauge\nc 1\n';
  const second = first.replaceAll("1", "2");
  expect(joinMetrics([first, second])).toBe(
    '# HELP a b\n# TYPE a gauge\na{gateway="1"} 1\na{gateway="2"} 2\n# HELP c d\n# TYPE c gauge\nc 1\nc 2\n',
  );
});
