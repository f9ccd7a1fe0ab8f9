/**
 * The shapes of `fanout`: how many rooms and members, how many messages, what else goes on.
 */
import { hashDelivery } from "./load/payload.ts";

export interface FanoutShape {
  /** Name in reports and targets. */
  readonly name: string;
  readonly roomCount: number;
  readonly membersPerRoom: number;
  /** Messages published per second, over all rooms in turn. */
  readonly ratePerS: number;
  /** Durable publishes per second that Tidegate takes at the same time; bare has no such thing. */
  readonly durablePerS: number;
}

/** How long the parts of a run take. */
export interface FanoutTiming {
  /**
   * First at a third of the rate, and all delivered before the rest: code is compiled, buffers
   * grow. At the full rate of a busy server, what queues up meanwhile would never drain.
   */
  readonly warmMs: number;
  /** Then at the full rate, left out. */
  readonly leadMs: number;
  /** Then measured. */
  readonly windowMs: number;
}

/** The shapes. */
export const SHAPES: readonly FanoutShape[] = [
  shape("1x1000@200", 1, 1000, 200, 0),
  shape("1x1000@1000", 1, 1000, 1000, 0),
  shape("500x10@5000", 500, 10, 5000, 0),
  shape("1x1000@200+durable", 1, 1000, 200, 5000),
  shape("1x1000@1000+durable", 1, 1000, 1000, 5000),
  shape("500x10@5000+durable", 500, 10, 5000, 5000),
];

/** The same in small, for `--tiny`: counts are exact, times mean nothing. */
export const TINY_SHAPES: readonly FanoutShape[] = [
  shape("1x8@200", 1, 8, 200, 0),
  shape("5x3@500", 5, 3, 500, 0),
  shape("1x8@200+durable", 1, 8, 200, 100),
];

/** Those of a single server, without a durable load beside. */
export const NATS_SHAPES = SHAPES.filter(({ durablePerS }) => durablePerS === 0);
export const TINY_NATS_SHAPES = TINY_SHAPES.slice(1, 2);

/** Publishing goes on for so long after the window, so that its end sees the same load. */
const AFTER_MS = 300;

/** Messages at the full rate. */
export function fullCount(ratePerS: number, timing: FanoutTiming): number {
  return Math.ceil((ratePerS * (timing.leadMs + timing.windowMs + AFTER_MS)) / 1000);
}

/** Messages of the warm-up: whole turns of the rooms, so that the rest begins with room 0 again. */
export function warmCount(shape: FanoutShape, timing: FanoutTiming): number {
  const count = (warmRate(shape) * timing.warmMs) / 1000;
  return Math.max(1, Math.ceil(count / shape.roomCount)) * shape.roomCount;
}

/** Messages per second of the warm-up. */
export function warmRate(shape: FanoutShape): number {
  return shape.ratePerS / 3;
}

/** Messages published in one run. */
export function messageCount(shape: FanoutShape, timing: FanoutTiming): number {
  return warmCount(shape, timing) + fullCount(shape.ratePerS, timing);
}

/**
 * The hash of all deliveries of a run without loss. Message i goes to room i modulo the rooms, and
 * is that room's number floor(i / rooms) + 1.
 */
export function expectedHash(shape: FanoutShape, count: number): number {
  let hash = 0;
  for (let i = 0; i < count; i += 1) {
    const one = hashDelivery(i % shape.roomCount, Math.floor(i / shape.roomCount) + 1);
    hash = (hash + Math.imul(one, shape.membersPerRoom)) >>> 0;
  }
  return hash;
}

function shape(
  name: string,
  roomCount: number,
  membersPerRoom: number,
  ratePerS: number,
  durablePerS: number,
): FanoutShape {
  return { name, roomCount, membersPerRoom, ratePerS, durablePerS };
}
