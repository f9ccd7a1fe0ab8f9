/**
 * What a scene is: a short play that provokes one flaw, and that the product survives.
 */
import type { History } from "./history.ts";
import type { SceneSetup } from "./stage.ts";

/** A scene. */
export interface Scene {
  readonly name: string;
  /** A sentence: what happens in it. */
  readonly text: string;
  /** Plays it and ends what it started. */
  play(setup: SceneSetup): Promise<History>;
}
