/** Options of the embedded bus: every default, every bound. */
import { describe, expect, test } from "vitest";
import {
  EMBEDDED_BUS_DEFAULTS,
  validateEmbeddedBusOptions,
} from "../../../bus/embedded/options.ts";

describe("validateEmbeddedBusOptions", () => {
  test("gives all defaults", () => {
    expect(validateEmbeddedBusOptions({})).toEqual({
      name: "tidegate",
      parts: "all",
      version: "",
      dataDir: "data",
      roomMessageCountMax: 100_000,
      retentionMs: 2_592_000_000,
      storeBytesMax: 8_589_934_592,
      journalBytesMax: 1024 ** 3,
      isSynchronous: true,
    });
    expect(EMBEDDED_BUS_DEFAULTS).toEqual(validateEmbeddedBusOptions({}));
  });

  test.each([
    ["roomMessageCountMax", 0, "1 to 1000000"],
    ["roomMessageCountMax", 1_000_001, "1 to 1000000"],
    ["roomMessageCountMax", 1.5, "1 to 1000000"],
    ["roomMessageCountMax", Number.NaN, "1 to 1000000"],
    ["retentionMs", 59_999, "60000 to 2592000000"],
    ["retentionMs", 2_592_000_001, "60000 to 2592000000"],
    ["storeBytesMax", 1_048_575, "1048576 to 1099511627776"],
    ["storeBytesMax", Number.POSITIVE_INFINITY, "1048576 to 1099511627776"],
  ])("refuses %s = %d, naming value and bounds", (name, value, bounds) => {
    const validate = () => validateEmbeddedBusOptions({ [name]: value });
    expect(validate).toThrow(`[OPTION_INVALID] ${name} is ${value}`);
    expect(validate).toThrow(bounds);
  });

  test("takes the bounds themselves", () => {
    const least = { roomMessageCountMax: 1, retentionMs: 60_000, storeBytesMax: 1024 ** 2 };
    expect(validateEmbeddedBusOptions(least)).toMatchObject(least);
    const most = {
      roomMessageCountMax: 1_000_000,
      retentionMs: 2_592_000_000,
      storeBytesMax: 1024 ** 4,
    };
    expect(validateEmbeddedBusOptions(most)).toMatchObject(most);
  });

  test("refuses an empty folder and a switch that is none", () => {
    expect(() => validateEmbeddedBusOptions({ dataDir: "" })).toThrow("dataDir is empty");
    const wrong = { isSynchronous: "no" as unknown as boolean };
    expect(() => validateEmbeddedBusOptions(wrong)).toThrow("isSynchronous must be true or false");
  });
});
