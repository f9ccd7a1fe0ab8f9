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

test("metrics: OpenMetrics stays OpenMetrics: its end once, samples of a family together", () => {
  const of = (worker: string) =>
    `# HELP a b\n# TYPE a counter\na_total{gateway="${worker}"} 1 # {trace_id="x"} 1 2\n# EOF\n`;
  expect(joinMetrics([of("1"), of("2")])).toBe(
    '# HELP a b\n# TYPE a counter\na_total{gateway="1"} 1 # {trace_id="x"} 1 2\n' +
      'a_total{gateway="2"} 1 # {trace_id="x"} 1 2\n# EOF\n',
  );
});
