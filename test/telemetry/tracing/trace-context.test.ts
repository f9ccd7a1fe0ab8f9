import { describe, expect, test } from "vitest";
import {
  formatTraceparent,
  isTraceId,
  parseTraceparent,
} from "../../../telemetry/tracing/trace-context.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const spanId = "00f067aa0ba902b7";

describe("trace context", () => {
  test("parseTraceparent reads what formatTraceparent writes, sampled", () => {
    const text = formatTraceparent({ traceId, spanId });
    expect(text).toBe(`00-${traceId}-${spanId}-01`);
    expect(parseTraceparent(text)).toEqual({ traceId, spanId, isSampled: true });
  });

  test("parseTraceparent looks at the sampled flag alone", () => {
    expect(parseTraceparent(`00-${traceId}-${spanId}-00`)?.isSampled).toBe(false);
    expect(parseTraceparent(`00-${traceId}-${spanId}-03`)?.isSampled).toBe(true);
    expect(parseTraceparent(`00-${traceId}-${spanId}-02`)?.isSampled).toBe(false);
  });

  test.each([
    ["nothing", ""],
    ["another version", `01-${traceId}-${spanId}-01`],
    ["upper case", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["no trace", `00-${"0".repeat(32)}-${spanId}-01`],
    ["no span", `00-${traceId}-${"0".repeat(16)}-01`],
    ["a part too short", `00-${traceId}-${spanId}-1`],
    ["something behind", `00-${traceId}-${spanId}-01-x`],
    ["a line break", `00-${traceId}-${spanId}-0\n`],
  ])("parseTraceparent refuses %s", (_what, text) => {
    expect(parseTraceparent(text)).toBeNull();
  });

  test("isTraceId takes 32 lower-case hex digits that are not all 0", () => {
    expect(isTraceId(traceId)).toBe(true);
    expect(isTraceId("0".repeat(32))).toBe(false);
    expect(isTraceId(`${traceId}0`)).toBe(false);
    expect(isTraceId(traceId.toUpperCase())).toBe(false);
  });
});
