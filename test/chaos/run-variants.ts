/**
 * Plays scenes: with the product, which must pass, and with broken variants, which must not.
 */
import { makeBrokenCopy } from "./broken-copy.ts";
import { checkHistory, type Verdict } from "./check.ts";
import { PRODUCT_ROOT } from "./run.ts";
import type { Scene } from "./scene.ts";
import type { Variant } from "./variants.ts";
import type { ViolationKind } from "./violation.ts";

/** How a variant fared. */
export interface VariantResult {
  readonly variant: Variant;
  /** Kinds of violations the checker found, and how many of each. */
  readonly found: ReadonlyMap<ViolationKind, number>;
  readonly isCaught: boolean;
}

/** Plays a scene with the product itself. */
export async function playScene(scene: Scene, binary: string): Promise<Verdict> {
  return checkHistory(await scene.play({ root: PRODUCT_ROOT, binary }));
}

/** Breaks the product and plays the scene that is to show it. */
export async function runVariant(variant: Variant, binary: string): Promise<VariantResult> {
  const copy = makeBrokenCopy(variant);
  try {
    const { violations } = checkHistory(await variant.scene.play({ root: copy.root, binary }));
    const byKind = Map.groupBy(violations, ({ kind }) => kind);
    const found = new Map([...byKind].map(([kind, ofKind]) => [kind, ofKind.length]));
    return { variant, found, isCaught: found.has(variant.caughtAs) };
  } finally {
    copy.remove();
  }
}
