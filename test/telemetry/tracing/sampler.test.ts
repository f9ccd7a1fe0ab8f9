import { expect, test } from "vitest";
import { decideSample } from "../../../telemetry/tracing/sampler.ts";

const context = { traceId: "a".repeat(32), spanId: "b".repeat(16) };
const asking = { ...context, isSampled: true };
const silent = { ...context, isSampled: false };

test("decideSample takes the ratio where no parent is", () => {
  const facts = { parent: null, mayAsk: true };
  expect(decideSample({ ...facts, ratio: 0, random: 0 })).toBe("no");
  expect(decideSample({ ...facts, ratio: 0.5, random: 0.49 })).toBe("root");
  expect(decideSample({ ...facts, ratio: 0.5, random: 0.5 })).toBe("no");
  expect(decideSample({ ...facts, ratio: 1, random: 0.999 })).toBe("root");
});

test("decideSample follows a parent that may ask, either way", () => {
  expect(decideSample({ parent: asking, mayAsk: true, ratio: 0, random: 0 })).toBe("parent");
  expect(decideSample({ parent: silent, mayAsk: true, ratio: 1, random: 0 })).toBe("no");
});

test("decideSample takes a parent that may not ask for none", () => {
  expect(decideSample({ parent: asking, mayAsk: false, ratio: 0, random: 0 })).toBe("no");
  expect(decideSample({ parent: asking, mayAsk: false, ratio: 1, random: 0 })).toBe("root");
  expect(decideSample({ parent: silent, mayAsk: false, ratio: 1, random: 0 })).toBe("root");
});
