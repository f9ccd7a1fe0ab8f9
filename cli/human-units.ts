/**
 * Times and sizes as people read them in a table.
 *
 * Pure.
 */

/** A span in its two largest units: "3s", "4m12s", "3h20m", "5d4h". Below a second: "0s". */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return "0s";
  let left = seconds;
  let text = "";
  for (const [unit, size] of units.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text;
}

/** A short span in three digits: "60 µs", "5.90 ms", "1.20 s". @param us microseconds, >= 0. */
export function formatMicros(us: number): string {
  if (us < 1000) return `${Math.round(us)} µs`;
  const [value, unit] = us < 1e6 ? [us / 1000, "ms"] : [us / 1e6, "s"];
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${unit}`;
}

/** Reads "3s", "90m", "12h", "7d" or "500ms": milliseconds; null for any other text. */
export function parseSpan(text: string): number | null {
  const [, count, unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const sizes = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  return count === undefined ? null : Number(count) * sizes[unit as keyof typeof sizes];
}

/** Reads "8GiB", "512MiB", "64KiB" or plain bytes; null for any other text. */
export function parseBytes(text: string): number | null {
  const [, count, unit = ""] = /^(\d{1,15})(KiB|MiB|GiB|TiB)?$/.exec(text) ?? [];
  return count === undefined
    ? null
    : Number(count) * 1024 ** ["", "KiB", "MiB", "GiB", "TiB"].indexOf(unit);
}

/** Bytes in the largest binary unit that leaves 1 or more: "17 B", "4.0 KiB", "8.0 GiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}

/** A number in four characters: "7", "1.5", "850", "1.2k", "16k", "4.0M". */
export function compact(value: number): string {
  const units = ["", "k", "M", "G", "T"];
  let size = Math.max(0, value);
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const isWhole = size >= 9.95 || (unit === 0 && Number.isInteger(size));
  const digits = isWhole ? 0 : 1;
  return `${size.toFixed(digits)}${units[unit]}`;
}

/** Bytes in four characters: "95M", "850M", "1.2G". Binary units, as {@link formatBytes}. */
export function shortBytes(bytes: number): string {
  return formatBytes(bytes)
    .replace(/(\d{2,})\.\d/, "$1")
    .replace(/ (?:([KMGT])i)?B$/, "$1");
}
