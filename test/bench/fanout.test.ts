/** bench fanout: the whole path in small on both systems, every delivery counted. */
import { expect, test } from "vitest";
import { runFanout } from "../../bench/fanout-run.ts";
import { expectedHash, messageCount, TINY_SHAPES } from "../../bench/fanout-shapes.ts";
import { FANOUT_SYSTEMS } from "../../bench/load/protocol.ts";

const timing = { warmMs: 20, leadMs: 10, windowMs: 50 };
const cases = TINY_SHAPES.flatMap((shape) => {
  // Bare has no durable rooms: that shape is the plain one there.
  const systems = shape.durablePerS > 0 ? (["tidegate"] as const) : FANOUT_SYSTEMS;
  return systems.map((system) => ({ shape, system, name: shape.name }));
});

test.each(cases)(
  "runFanout: every delivery once and the hash of the work, $system $name",
  async ({ shape, system }) => {
    const count = messageCount(shape, timing);
    const figures = await runFanout(system, shape, timing, [], null);
    expect(figures.problems).toEqual([]);
    expect(figures.deliveredCount).toBe(count * shape.membersPerRoom);
    expect(figures.hash).toBe(expectedHash(shape, count));
    expect(figures.repeatedCount).toBe(0);
  },
);
