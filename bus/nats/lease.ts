/**
 * R12, the lease of this process: its right to publish under its id, renewed on the bus KV.
 *
 * Every write is a compare-and-set of the revision before it and sets the time to live anew, so a
 * process that was taken for dead finds out at its next write. Writes go one after the other and
 * each carries the newest value. What a lease allows is decided in lease-rules.ts.
 */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { NatsConnection, Subscription } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import {
  ControlAnswer,
  Lease as LeaseValue,
  ProcessKind,
} from "../../proto/gen/tidegate/bus/v1/lease.ts";
import type { ResumeStep } from "../bus.ts";
import type { KeyValue } from "../key-value.ts";
import { toCoded, untilReady } from "./connect.ts";
import { NatsKeyValue } from "./key-value.ts";
import { claimLease } from "./lease-claim.ts";
import { controlSubject, decodeLease, LEASE_BUCKET, leaseKey } from "./lease-records.ts";
import { heldUntilMs, judgeHolding, judgeReadBack, renewAfterMs } from "./lease-rules.ts";
import type { NatsBusOptions } from "./options.ts";
import { ResumeSteps } from "./resume-steps.ts";

/** How often the loop's time is taken, ms: a gap is seen to this precision. */
const TICK_MS = 100;
/** A renewal that failed is tried again after this, ms. */
const RETRY_MS = 250;
/** What is announced is written within this, ms: several changes together. */
const ANNOUNCE_MS = 200;
/** After so many failed renewals in a row, and again so many, the bucket is looked for. */
const MEND_COUNT = 4;
/** A clean close waits this long for the lease to be given back, ms; then it expires by itself. */
const CLOSE_MS_MAX = 2000;

const kinds = {
  all: ProcessKind.ALL,
  gateway: ProcessKind.GATEWAY,
  controlplane: ProcessKind.CONTROL_PLANE,
} as const;

/** What a lease says about its process; the rest it finds out itself. */
export type LeaseFacts = Pick<LeaseValue, "id" | "kind" | "host" | "pid" | "version">;

/**
 * Where a lease is: "held"; "renewing" (nothing may be published until a renewal succeeds); "lost"
 * for good to another process, which only leaves an exit; "closed".
 */
export type LeaseState = "held" | "renewing" | "lost" | "closed";

/**
 * Takes the lease that the options name, making the bucket when there is none.
 *
 * @throws {CodedError} as {@link Lease.acquire}.
 */
export async function openLease(
  connection: NatsConnection,
  options: NatsBusOptions,
): Promise<Lease> {
  const { name, parts, version, replicaCount, leaseTtlMs } = options;
  const open = () => NatsKeyValue.open(connection, LEASE_BUCKET, replicaCount);
  const keys = await untilReady(connection, open);
  const facts = { id: name, kind: kinds[parts], version, host: hostname(), pid: process.pid };
  return Lease.acquire(connection, { keys, open }, facts, leaseTtlMs);
}

/** Where leases are kept. */
export interface LeaseBucket {
  readonly keys: NatsKeyValue;
  /** Makes it anew if it was deleted under us. */
  open(): Promise<unknown>;
}

export class Lease {
  readonly #connection: NatsConnection;
  readonly #bucket: LeaseBucket;
  readonly #keys: NatsKeyValue;
  readonly #key: string;
  readonly #ttlMs: number;
  readonly #value: LeaseValue;
  readonly #control: Subscription;
  readonly #listeners = new Set<(state: LeaseState, why: string) => void>();
  readonly #resumeSteps = new ResumeSteps();
  readonly #tick: NodeJS.Timeout;
  readonly #ended: Promise<void>;
  #state: LeaseState = "held";
  #why = "";
  /** Of our last write; 0 when there is no lease and the next write makes one. */
  #revision: number;
  #untilMs: number;
  #tickMs = performance.now();
  /** When it last stopped being held: only a renewal begun later counts. */
  #stoppedMs = 0;
  #stopCount = 0;
  #isNew = false;
  /** Writes in a row that got no answer. */
  #failureCount = 0;
  #wake: (() => void) | null = null;
  #isWoken = false;
  #announceTimer: NodeJS.Timeout | null = null;

  private constructor(
    connection: NatsConnection,
    bucket: LeaseBucket,
    value: LeaseValue,
    ttlMs: number,
    claimed: { control: Subscription; revision: number; startedMs: number },
  ) {
    this.#connection = connection;
    this.#bucket = bucket;
    this.#keys = bucket.keys;
    this.#key = leaseKey(value.id);
    this.#ttlMs = ttlMs;
    this.#value = value;
    this.#control = claimed.control;
    this.#revision = claimed.revision;
    this.#untilMs = heldUntilMs(claimed.startedMs, ttlMs);
    this.#tick = setInterval(() => {
      this.#look();
      this.#tickMs = performance.now();
    }, TICK_MS).unref();
    void this.#followConnection();
    this.#ended = this.#run();
  }

  /**
   * Takes the lease of an id, which may last 10 s when its holder is frozen.
   *
   * @param ttlMs LEASE_TTL_MS, but in tests.
   * @throws {CodedError} `GATEWAY_ID_IN_USE` when its holder lives, `UNAVAILABLE`.
   */
  static async acquire(
    connection: NatsConnection,
    bucket: LeaseBucket,
    facts: LeaseFacts,
    ttlMs: number,
  ): Promise<Lease> {
    const value: LeaseValue = {
      ...facts,
      incarnation: newIncarnation(),
      startedUs: BigInt(Date.now()) * 1000n,
      routingRevision: 0n,
      facts: Buffer.alloc(0),
    };
    const answer = () => {
      const { incarnation, host, pid } = value;
      return ControlAnswer.encode({ incarnation, host, pid }).finish();
    };
    const open = () =>
      connection.subscribe(controlSubject(facts.id), {
        callback: (error, message) => {
          if (error === null) message.respond(answer());
        },
      });
    const claimed = await claimLease(connection, bucket.keys, value, ttlMs, open);
    return new Lease(connection, bucket, value, ttlMs, claimed);
  }

  /** Name of the process. */
  get id(): string {
    return this.#value.id;
  }

  /** Of the lease as it was taken last; changes when it was gone. */
  get incarnation(): string {
    return this.#value.incarnation;
  }

  /** Whether this process may publish and admit now. Hot path: one look at the clock. */
  get isHeld(): boolean {
    return this.#look() === "held";
  }

  get state(): LeaseState {
    return this.#look();
  }

  /** How often it stopped being held, or might have: who began before may have been passed. */
  get stopCount(): number {
    return this.#stopCount;
  }

  /** Why it is not held, as the error that whoever wanted to publish gets. */
  refusal(): CodedError {
    return new CodedError("UNAVAILABLE", `nothing is published now: ${this.#why}`);
  }

  /**
   * R10: every routing record up to this revision of the bucket "control" is applied and settled
   * here. Lower ones than before are ignored.
   *
   * @param isAwaited by a mover: written at once, as the first is; else with the next renewal.
   */
  acknowledge(routingRevision: number, isAwaited: boolean): void {
    const revision = BigInt(routingRevision);
    if (revision <= this.#value.routingRevision) return;
    if (isAwaited || this.#value.routingRevision === 0n) this.#poke();
    this.#value.routingRevision = revision;
  }

  /** As Topology.announce says: written with the next renewal, which comes soon. */
  announce(facts: Uint8Array): void {
    if (this.#value.facts.equals(facts)) return;
    this.#value.facts = Buffer.from(facts);
    this.#announceTimer ??= setTimeout(() => {
      this.#announceTimer = null;
      this.#poke();
    }, ANNOUNCE_MS).unref();
  }

  /** Calls `listener` at every change of the state; `why` is a part of a sentence, for people. */
  onChange(listener: (state: LeaseState, why: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Adds what must be done between a renewal and the first publish after it, in the order added:
   * reading the routing again (R10), taking seats again. A step that fails, or takes more than 5 s,
   * is called again after the next renewal. It must not wait for an acknowledgement to be written.
   */
  beforeResume(step: ResumeStep): void {
    this.#resumeSteps.add(step);
  }

  /** Gives the lease back. The connection must still be open. Calling it twice is harmless. */
  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const isOurs = this.#state !== "lost";
    this.#become("closed", "the process stops");
    clearInterval(this.#tick);
    clearTimeout(this.#announceTimer ?? undefined);
    this.#poke();
    const giveBack = async () => {
      await this.#ended;
      this.#control.unsubscribe();
      if (isOurs && this.#revision > 0) await this.#keys.delete(this.#key, this.#revision);
    };
    // Not given back, it expires by itself.
    await Promise.race([giveBack().catch(() => {}), sleep(CLOSE_MS_MAX, null, { ref: false })]);
  }

  /** Takes the time into account; returns the state. */
  #look(): LeaseState {
    if (this.#isOver()) return this.#state;
    const nowMs = performance.now();
    const fault = judgeHolding(nowMs, this.#tickMs, this.#untilMs);
    if (fault === "gap") {
      const gapMs = Math.round(nowMs - this.#tickMs);
      this.#stop(`the process stood still for ${gapMs} ms and renews its lease first`);
      this.#tickMs = nowMs;
    } else if (fault === "expired" && this.#state === "held") {
      this.#stop("its lease could not be renewed and may have ended");
    }
    return this.#state;
  }

  /** Nothing may be published until a renewal that begins from now on succeeds. */
  #stop(why: string): void {
    this.#stoppedMs = performance.now();
    this.#stopCount += 1;
    if (this.#state === "held") this.#become("renewing", why);
    this.#poke();
  }

  #become(state: LeaseState, why: string): void {
    this.#state = state;
    this.#why = why;
    for (const listener of [...this.#listeners]) listener(state, why);
  }

  #poke(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let waitMs = renewAfterMs(this.#ttlMs);
    for (;;) {
      await this.#wait(waitMs);
      if (this.#isOver()) return;
      const isDone = await this.#renew();
      if (this.#isOver()) return;
      const isResumed = isDone && (this.#state === "held" || (await this.#resume()));
      waitMs = isResumed ? renewAfterMs(this.#ttlMs) : RETRY_MS;
    }
  }

  #isOver(): boolean {
    return this.#state === "lost" || this.#state === "closed";
  }

  async #wait(ms: number): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        timer.unref();
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = null;
    }
    this.#isWoken = false;
  }

  /** One write; returns whether the lease stands now. */
  async #renew(): Promise<boolean> {
    const startedMs = performance.now();
    const value = LeaseValue.encode(this.#value).finish();
    try {
      this.#revision =
        this.#revision === 0
          ? await this.#keys.create(this.#key, value, this.#ttlMs)
          : await this.#keys.replace(this.#key, value, this.#revision, this.#ttlMs);
    } catch (error) {
      const { code } = toCoded(error);
      // Without an answer it may have been written: the next write will be refused, and read back.
      if (code === "ETAG_MISMATCH" || code === "ALREADY_EXISTS") await this.#readBack();
      else await this.#mend();
      return false;
    }
    this.#failureCount = 0;
    this.#look(); // the process may have stood still while the answer came
    this.#untilMs = heldUntilMs(startedMs, this.#ttlMs);
    return startedMs >= this.#stoppedMs;
  }

  /** A write failed: mostly the KV has no leader now, but somebody may have deleted the bucket. */
  async #mend(): Promise<void> {
    this.#failureCount += 1;
    if (this.#failureCount % MEND_COUNT !== 0) return;
    // Whether it failed or not, the next write shows.
    await this.#bucket.open().catch(() => {});
  }

  /** A write was refused: is the lease ours still, gone, or another's? */
  async #readBack(): Promise<void> {
    let entry: Awaited<ReturnType<KeyValue["get"]>>;
    try {
      entry = await this.#keys.get(this.#key);
    } catch {
      return; // not now; the next write is refused too, and leads here again
    }
    const present = entry === null ? null : decodeLease(entry.value);
    const incarnation = present?.incarnation ?? "";
    const holder = entry === null ? null : { incarnation, revision: entry.revision };
    const verdict = judgeReadBack(holder, this.#value.incarnation);
    this.#poke();
    switch (verdict) {
      case "mine":
        this.#revision = holder?.revision ?? 0;
        return;
      case "gone":
        this.#stop("its lease was gone; it takes a new one");
        this.#revision = 0;
        this.#isNew = true;
        this.#value.incarnation = newIncarnation();
        return;
      case "taken": {
        const who = `pid ${present?.pid ?? "?"} on ${present?.host ?? "?"}`;
        if (this.#isOver()) return;
        this.#become("lost", `${who} has taken over the lease of ${this.id}`);
        this.#control.unsubscribe();
        clearInterval(this.#tick);
        return;
      }
      default:
        verdict satisfies never;
    }
  }

  /** Renewed after a stop: publishes go on when every step is done and nothing stopped us again. */
  async #resume(): Promise<boolean> {
    const stoppedMs = this.#stoppedMs;
    const isNew = this.#isNew;
    if (!(await this.#resumeSteps.run(isNew))) return false;
    if (this.#look() !== "renewing" || this.#stoppedMs !== stoppedMs) return false;
    if (performance.now() >= this.#untilMs) return false;
    this.#isNew = false;
    this.#become("held", isNew ? `it is a new incarnation, ${this.incarnation}` : "it is renewed");
    return true;
  }

  /** While cut off, whoever asks finds no responder and may take over: so a reconnect renews. */
  async #followConnection(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (this.#isOver()) return;
      if (type === "disconnect") this.#stop("the connection to NATS broke");
      else if (type === "reconnect") this.#stop("it renews its lease after a reconnect");
    }
  }
}

function newIncarnation(): string {
  return crypto.randomUUID().replaceAll("-", "");
}
