/**
 * Leads the background work of the control planes, or stands by.
 *
 * Every replica takes part in the leadership of key "control"; the one that has it carries out
 * operations (conductor.ts), deletes the oldest ended ones and trims the audit log. Clients see
 * nothing of a change of leader; changes in progress go on within a second of it.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import { Leadership } from "../../bus/leadership.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { KeyTrimmer } from "../audit/key-trimmer.ts";
import type { Log } from "../log.ts";
import { Conductor, type ConductorParts } from "./conductor.ts";
import { LeaderRecords } from "./leader-records.ts";
import type { OperationFeed } from "./operation-feed.ts";
import { ENDED_COUNT_MAX, hasEnded, operationKey } from "./operation-record.ts";

/** Key of the leadership. */
export const LEADER_KEY = "control";
/** Bucket of it: one with many writes, so that the configuration's revisions stay quiet. */
export const LEADER_BUCKET = "leaders";
/** A graceful end waits this long for moves on their way, ms: the next leader shall lead in 1 s. */
const STOP_MS_MAX = 400;

/** What leading takes. */
export interface LeaderParts extends Omit<ConductorParts, "records" | "mayAct"> {
  /** Bucket "control". */
  readonly keys: KeyValue;
  /** Bucket LEADER_BUCKET. */
  readonly leaders: KeyValue;
  readonly feed: OperationFeed;
  /** Name of this process, for people. */
  readonly name: string;
  readonly log: Log;
}

export class OperationLeader {
  readonly #parts: LeaderParts;
  #leadership: Leadership | null = null;
  #conductor: Conductor | null = null;
  #unfollow: () => void = () => {};
  #sweeping: Promise<void> = Promise.resolve();
  #trimming: Promise<KeyTrimmer | null> = Promise.resolve(null);

  private constructor(parts: LeaderParts) {
    this.#parts = parts;
  }

  /** Takes part from now on. Throws `UNAVAILABLE`. */
  static async join(parts: LeaderParts): Promise<OperationLeader> {
    const leader = new OperationLeader(parts);
    leader.#leadership = await Leadership.join(parts.leaders, LEADER_KEY, parts.name, {
      onLeading: (token) => leader.#lead(token),
      onStopped: () => leader.#stopLeading(),
    });
    return leader;
  }

  /** Whether this process leads now. */
  get isLeading(): boolean {
    return this.#leadership?.isLeading === true;
  }

  /** Hands over: another leads within a second. */
  async close(): Promise<void> {
    this.#unfollow();
    await this.#conductor?.stop(STOP_MS_MAX);
    this.#conductor = null;
    await this.#sweeping;
    await this.#stopTrimming();
    await this.#leadership?.close();
  }

  #lead(token: number): void {
    const { keys, feed, log } = this.#parts;
    log.info({ token }, "this control plane leads: operations go on here");
    const records = new LeaderRecords(keys, token);
    const conductor = new Conductor({
      ...this.#parts,
      records,
      mayAct: () => {
        if (this.isLeading && this.#conductor === conductor) return;
        throw new CodedError("UNAVAILABLE", "this control plane does not lead any more");
      },
    });
    this.#conductor = conductor;
    for (const stored of feed.list()) records.take(stored.id, stored);
    this.#unfollow = feed.follow((id, stored) => {
      if (records.take(id, stored)) conductor.wake();
      if (stored !== null && hasEnded(stored.operation)) this.#sweep();
    });
    conductor.wake();
    this.#sweep();
    this.#trimming = KeyTrimmer.start(keys).catch((err) => {
      log.error({ err }, "the audit log is not trimmed until another control plane leads");
      return null;
    });
  }

  #stopLeading(): void {
    this.#unfollow();
    void this.#stopTrimming();
    const conductor = this.#conductor;
    if (conductor === null) return;
    this.#conductor = null;
    this.#parts.log.warn({}, "this control plane does not lead any more");
    void conductor.stop(0);
  }

  async #stopTrimming(): Promise<void> {
    const trimming = this.#trimming;
    this.#trimming = Promise.resolve(null);
    await (await trimming)?.stop();
  }

  /** Deletes the oldest that have ended, beyond those that are kept. */
  #sweep(): void {
    this.#sweeping = this.#sweeping.then(async () => {
      const { keys, feed } = this.#parts;
      const ended = feed.list().filter(({ operation }) => hasEnded(operation));
      for (const { id, revision } of ended.slice(0, -ENDED_COUNT_MAX)) {
        if (!this.isLeading) return;
        // Not now, or another was first: it is looked at again when the next one ends.
        await keys.delete(operationKey(id), revision).catch(() => {});
      }
    });
  }
}
