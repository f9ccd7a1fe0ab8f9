/**
 * The product, broken on purpose: one rule taken out each. Proof that the checker sees.
 *
 * A variant is a change of one place in a copy of the source, so the product itself has no switch.
 * The text to replace must be there exactly once: when the product changes, the variant fails
 * loudly and is written anew.
 */
import type { Scene } from "./scene.ts";
import { laggingReplica } from "./scenes/lagging-replica.ts";
import { lateBytes } from "./scenes/late-bytes.ts";
import { lostAnswers } from "./scenes/lost-answers.ts";
import { lostDisk } from "./scenes/lost-disk.ts";
import { lostEphemeral } from "./scenes/lost-ephemeral.ts";
import { lostMiddle, lostTail } from "./scenes/lost-republish.ts";
import { lateSeal, movedRetry } from "./scenes/moves.ts";
import { stutteringShard } from "./scenes/stuttering-shard.ts";
import type { ViolationKind } from "./violation.ts";

/** A broken product, and what shows that it is. */
export interface Variant {
  readonly name: string;
  /** The rule of docs/guarantees.md that is taken out. */
  readonly rule: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly scene: Scene;
  /** What the checker must report. */
  readonly caughtAs: ViolationKind;
  /** Whether `npm test` runs it; `npm run chaos -- --variants` runs all. */
  readonly isQuick: boolean;
}

/** All variants. */
export const VARIANTS: readonly Variant[] = [
  {
    name: "no-deduplication",
    rule: "R1",
    file: "bus/nats/append-mux.ts",
    find: 'oneHeader("Nats-Msg-Id", messageId)',
    replace: 'oneHeader("Tg-Unnamed", messageId)',
    scene: lostAnswers,
    caughtAs: "stored-twice",
    isQuick: true,
  },
  {
    name: "no-gap-fill",
    rule: "R5",
    file: "gateway/local-room.ts",
    find: 'if (verdict === "next") this.#handOut(message);',
    replace: 'if (verdict !== "old") this.#handOut(message);',
    scene: lostMiddle,
    caughtAs: "missing",
    isQuick: true,
  },
  {
    name: "no-tails-no-sweeps",
    rule: "R7, R8",
    file: "bus/nats/interest.ts",
    find: "if (!isNewer(heard, message.epoch, message.seq)) return;",
    replace: "return;",
    scene: lostTail,
    caughtAs: "missing",
    isQuick: false,
  },
  {
    name: "free-retries",
    rule: "R3",
    file: "gateway/publish-lane.ts",
    find: '} else if (error.info.retry === "same") {',
    replace:
      '} else if (error.info.retry === "same") {\n this.#send(entry, nowUs);\n} else if (nowUs < 0) {',
    scene: stutteringShard,
    caughtAs: "producer-order",
    isQuick: true,
  },
  {
    name: "cursor-without-time",
    rule: "R9",
    file: "bus/nats/history.ts",
    find: "if (first?.seq !== after.seq || first.timeUs !== after.timeUs) return null;",
    replace: "if (first?.seq !== after.seq) return null;",
    scene: lostDisk,
    caughtAs: "false-recovery",
    isQuick: true,
  },
  {
    name: "no-void-rule",
    rule: "R2",
    file: "bus/void.ts",
    find: "return message.timeUs - readFirstSentUs(message.envelope) > voidAfterUs;",
    replace: "return message.timeUs < voidAfterUs;",
    scene: lateBytes,
    caughtAs: "doubled",
    isQuick: true,
  },
  {
    name: "stale-answers",
    rule: "R6",
    file: "bus/nats/epoch-reader.ts",
    find: "if (isFresh(answer, leaderSeq)) return answer;",
    replace: "return answer;",
    scene: laggingReplica,
    caughtAs: "gap-unexplained",
    isQuick: false,
  },
  {
    name: "silent-losses",
    rule: "R7",
    file: "bus/nats/ephemeral-in.ts",
    find: "for (const listener of room.listeners) listener.onLoss(room.token, Math.max(0, missed));",
    replace: "",
    scene: lostEphemeral,
    caughtAs: "loss-unannounced",
    isQuick: false,
  },
  {
    name: "unheard-removal",
    rule: "R10",
    file: "bus/nats/advance-epoch.ts",
    find: "const removed = await remove(parts, slot, removing.record, check, known);",
    replace: `const subject = sealSubject(shard, slot, epoch);
    const seq = await storeMarker(parts.connection, subject, "seal");
    const late = () => void remove(parts, slot, removing.record, () => {}, known).catch(() => {});
    setTimeout(late, 5000);
    const next = commit(removing.record, seq, parts.nowUs(), parts.retentionUs());
    return await put(parts, slot, removing, next);
    const removed = null;`,
    scene: lateSeal,
    caughtAs: "missing",
    isQuick: false,
  },
  {
    name: "no-probe",
    rule: "R4",
    file: "bus/route.ts",
    find: "if (firstSentUs <= Number(sealedUs) + CLOCK_SKEW_US) shards.add(shard);",
    replace: "",
    scene: movedRetry,
    caughtAs: "stored-twice",
    isQuick: false,
  },
];
