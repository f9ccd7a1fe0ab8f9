import { expect, test } from "vitest";
import { compact, formatBytes, formatSpan, shortBytes } from "../../cli/human-units.ts";

test.each([
  [-5, "0s"],
  [999, "0s"],
  [59_999, "59s"],
  [60_000, "1m"],
  [252_000, "4m12s"],
  [3_605_000, "1h"],
  [12_000_000, "3h20m"],
  [5 * 86_400_000 + 4 * 3_600_000 + 59_000, "5d4h"],
])("formatSpan: %d ms is %s", (ms, text) => {
  expect(formatSpan(ms)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [8 * 1024 ** 3, "8.0 GiB"],
  [16 * 1024 ** 4, "16.0 TiB"],
  [5000 * 1024 ** 4, "5000.0 TiB"],
])("formatBytes: %d is %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  ...[
    [0, "0"],
    [0.04, "0.0"],
    [1.26, "1.3"],
    [7, "7"],
    [9.96, "10"],
    [850.2, "850"],
    [999, "999"],
  ],
  ...[
    [999.6, "1.0k"],
    [1234, "1.2k"],
    [12_345, "12k"],
    [999_600, "1.0M"],
    [4e9, "4.0G"],
  ],
] as [number, string][])("compact: %d is %s", (value, text) => {
  expect(compact(value)).toBe(text);
});

test.each([
  ...[
    [0, "0"],
    [900, "900"],
    [1536, "1.5K"],
    [95.4 * 1024 ** 2, "95M"],
    [850e6, "810M"],
  ],
  ...[[1.26 * 1024 ** 3, "1.3G"]],
] as [number, string][])("shortBytes: %d is %s", (bytes, text) => {
  expect(shortBytes(bytes)).toBe(text);
});
