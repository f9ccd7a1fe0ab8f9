/**
 * The checker sees: the product passes scenes that copies of it with one rule taken out do not. The
 * cheap and sure ones; `npm run chaos -- --variants` plays all.
 */
import { describe, expect, test } from "vitest";
import { findNatsServer } from "../../deploy/nats/find-server.ts";
import { makeBrokenCopy } from "./broken-copy.ts";
import { playScene, runVariant } from "./run-variants.ts";
import { tornBurst } from "./scenes/torn-burst.ts";
import { VARIANTS } from "./variants.ts";

const binary = () => findNatsServer(process.env.NATS_SERVER ?? "", console.error);

// The SDKs acknowledged what their retries at another gateway had stored out of order.
test("scene torn-burst: the product passes (R3)", async () => {
  expect((await playScene(tornBurst, binary())).violations).toEqual([]);
}, 120_000);

test.each(VARIANTS)("variant $name: its text is in the source once", (variant) => {
  makeBrokenCopy(variant).remove();
});

test("variant: a text that is not in the source, or twice, is refused by name", () => {
  const [variant] = VARIANTS;
  if (variant === undefined) throw new Error("no variants");
  expect(() => makeBrokenCopy({ ...variant, find: "no such text" })).toThrow(/is 0 times in/);
  expect(() => makeBrokenCopy({ ...variant, find: "const" })).toThrow(/not once/);
});

// Side by side, since most of a scene is waiting.
describe.for(VARIANTS.filter(({ isQuick }) => isQuick))("$scene.name ($rule)", (variant) => {
  test.concurrent("scene: the product passes", { timeout: 120_000 }, async ({ expect }) => {
    expect((await playScene(variant.scene, binary())).violations).toEqual([]);
  });

  const { name, caughtAs } = variant;
  const title = `variant ${name}: the checker finds "${caughtAs}"`;
  test.concurrent(title, { timeout: 120_000 }, async ({ expect }) => {
    const { found, isCaught } = await runVariant(variant, binary());
    expect(isCaught, `found only: ${[...found.keys()].join(", ")}`).toBe(true);
  });
});
