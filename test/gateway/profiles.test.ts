/** What clients say of themselves: bounded, and kept once for all that say the same. */
import { expect, test } from "vitest";
import { Profiles } from "../../gateway/profiles.ts";
import { Hello } from "../../proto/gen/tidegate/client/v1/session.ts";

const build = { name: "app", version: "1.2.3", platform: "node" };
const hello = (partial: Partial<Hello> = {}) => ({
  ...Hello.decode(new Uint8Array(0)),
  ...{ build, ...partial },
});

test("clients that say the same share one profile, those of one build its build", () => {
  const profiles = new Profiles();
  const one = profiles.of(hello());
  expect(profiles.of(hello())).toBe(one);
  const said = { region: "eu", attributes: [{ key: "a", value: "b" }] };
  const more = profiles.of(hello(said));
  expect(more).not.toBe(one);
  expect(more).toEqual({ build, ...said });
  expect(more.build).toBe(one.build);
  expect(profiles.of(hello(said))).toBe(more);
});

test("of very many different ones no more than a bound is remembered", () => {
  const profiles = new Profiles();
  const first = profiles.of(hello());
  for (let i = 0; i < 4096; i += 1) profiles.of(hello({ region: `r${i}` }));
  expect(profiles.of(hello())).not.toBe(first);
});

test.each<[string, Partial<Hello>]>([
  ["build", { build: { ...build, version: "1".repeat(65) } }],
  ["region", { region: "EU" }],
  ["33 attributes", { attributes: Array(33).fill({ key: "a", value: "" }) }],
  ["a key", { attributes: [{ key: "", value: "b" }] }],
  ["a long key", { attributes: [{ key: "k".repeat(65), value: "b" }] }],
  ["a long value", { attributes: [{ key: "k", value: "ä".repeat(129) }] }],
])("a Hello whose %s is beyond bounds is FRAME_INVALID", (_what, partial) => {
  expect(() => new Profiles().of(hello(partial))).toThrow(
    expect.objectContaining({ code: "FRAME_INVALID" }),
  );
});
