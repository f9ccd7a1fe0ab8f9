/** bench fanout: the whole path in small on both systems, every delivery counted. */
import { expect, test } from "vitest";
import { runFanout } from "../../bench/fanout-run.ts";
import { expectedHash, messageCount, TINY_SHAPES } from "../../bench/fanout-shapes.ts";
import { FANOUT_SYSTEMS, TELEMETRY_SYSTEMS } from "../../bench/load/protocol.ts";

const timing = { warmMs: 20, leadMs: 10, windowMs: 50 };
const isOfTelemetry = (system: string) => (TELEMETRY_SYSTEMS as readonly string[]).includes(system);
const cases = TINY_SHAPES.flatMap((shape) => {
  // Bare has no durable rooms: that shape is the plain one there.
  const systems = shape.durablePerS > 0 ? (["tidegate"] as const) : FANOUT_SYSTEMS;
  // What telemetry does on a message's way is the same in all shapes.
  const isOnce = (system: string) => shape === TINY_SHAPES[0] || !isOfTelemetry(system);
  return systems.filter(isOnce).map((system) => ({ shape, system, name: shape.name }));
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
