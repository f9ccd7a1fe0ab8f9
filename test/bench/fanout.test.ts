/** bench fanout: the whole path in small, every delivery counted. */
import { describe, expect, test } from "vitest";
import { runFanout } from "../../bench/fanout-run.ts";
import { expectedHash, messageCount, TINY_SHAPES } from "../../bench/fanout-shapes.ts";

const timing = { warmMs: 20, windowMs: 80 };

describe.each(TINY_SHAPES)("fanout $name", (shape) => {
  test(`runFanout: bare server, ${shape.name}: every delivery once, the hash of the work`, async () => {
    const count = messageCount(shape, timing);
    const figures = await runFanout("bare", shape, timing, []);
    expect(figures.problems).toEqual([]);
    expect(figures.deliveredCount).toBe(count * shape.membersPerRoom);
    expect(figures.hash).toBe(expectedHash(shape, count));
    expect(figures.repeatedCount).toBe(0);
  });
});
