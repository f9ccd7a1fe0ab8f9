import fc from "fast-check";
import { expect, test } from "vitest";
import { LINE_BYTES_MAX, LineTooLong, splitLines } from "../../cli/lines.ts";

async function lines(chunks: readonly (string | Uint8Array)[]): Promise<string[]> {
  async function* source() {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const found: string[] = [];
  for await (const line of splitLines(source())) found.push(Buffer.from(line).toString("latin1"));
  return found;
}

test.each([
  [[], []],
  [["\n"], [""]],
  [["a"], ["a"]],
  [["a\n"], ["a"]],
  [["a\n\nb"], ["a", "", "b"]],
  [["a\r\nb\r"], ["a", "b"]],
  [
    ["a", "b\nc", "", "d\n"],
    ["ab", "cd"],
  ],
])("splitLines: %j are the lines %j", async (chunks, expected) => {
  expect(await lines(chunks)).toEqual(expected);
});

test("splitLines: cutting the input anywhere gives the same lines", async () => {
  const bytes = fc.uint8Array({ maxLength: 60 }).map((all) => all.map((byte) => byte % 16));
  await fc.assert(
    fc.asyncProperty(bytes, fc.nat(60), fc.nat(60), async (all, first, second) => {
      const [low, high] = [Math.min(first, second), Math.max(first, second)];
      const cut = [all.subarray(0, low), all.subarray(low, high), all.subarray(high)];
      expect(await lines(cut)).toEqual(await lines([all]));
    }),
    { numRuns: 300 },
  );
});

test("splitLines: an endless line is refused, not collected", async () => {
  const chunk = Buffer.alloc(64 * 1024, "x");
  let taken = 0;
  async function* endless() {
    for (;;) {
      taken += chunk.length;
      yield chunk;
    }
  }
  const reading = (async () => {
    for await (const _ of splitLines(endless())) throw new Error("there is no line");
  })();
  await expect(reading).rejects.toBeInstanceOf(LineTooLong);
  expect(taken).toBeLessThanOrEqual(LINE_BYTES_MAX + chunk.length);
});
