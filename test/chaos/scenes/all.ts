/**
 * Every scene, in the order they are played.
 */
import type { Scene } from "../scene.ts";
import { laggingReplica } from "./lagging-replica.ts";
import { lateBytes } from "./late-bytes.ts";
import { lostAnswers } from "./lost-answers.ts";
import { lostDisk } from "./lost-disk.ts";
import { lostEphemeral } from "./lost-ephemeral.ts";
import { lostMiddle, lostTail } from "./lost-republish.ts";
import { lateSeal, movedRetry } from "./moves.ts";
import { stutteringShard } from "./stuttering-shard.ts";
import { tornBurst } from "./torn-burst.ts";

/** All scenes. */
export const SCENES: readonly Scene[] = [
  lostAnswers,
  lostMiddle,
  lostTail,
  stutteringShard,
  lostDisk,
  lateBytes,
  laggingReplica,
  tornBurst,
  lostEphemeral,
  lateSeal,
  movedRetry,
];
