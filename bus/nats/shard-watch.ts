/**
 * Which shards take publishes: not those at 95 % of their bytes, nor those whose stream was
 * removed, nor those whose leader stores nothing.
 *
 * The last 5 % are for markers, without which a full shard could not be moved or swept. A removed
 * stream is lost data: a running process does not make it anew, since that would make the loss look
 * like an empty room; its publishes are refused until a start has made it (docs/nats.md).
 *
 * A server that met a full disk answers questions, but neither stores nor refuses, and says nothing
 * at all to publishers, until it is restarted (measured). So when publishes stay without an ack, a
 * marker is stored for trial; while none can be, publishes are refused at once instead of ending
 * unknown.
 *
 * A shard's leader is asked when it is published to, and often only when that matters.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { isStreamMissing, storeMarker, streamFacts } from "./stream-api.ts";
import type { TroubleKind, Troubles } from "./troubles.ts";
import { anchorSubject, shardStream } from "./wire.ts";

/** Share of a shard's bytes from which members' publishes are refused. */
export const MEMBERS_SHARE = 0.95;
/** Share from which its leader is asked often. */
const OFTEN_SHARE = 0.8;
/** How often a leader is asked at most, ms, and how often when there is no reason to worry. */
const OFTEN_MS = 1000;
const SELDOM_MS = 10_000;

interface ShardState {
  refusal: CodedError | null;
  /** What the refusal is counted as. */
  kind: TroubleKind;
  /** Bytes written by this process since the leader was asked. */
  ownBytes: number;
  /** What it said then. */
  bytes: number;
  bytesMax: number;
  /** When it is asked again if it is published to, ms as performance.now() counts. */
  dueMs: number;
  isAsking: boolean;
  /** A publish had no ack: storing is to be tried. */
  isSuspect: boolean;
}

/** See the file's header. */
export class ShardWatch {
  readonly #connection: NatsConnection;
  readonly #troubles: Troubles;
  readonly #shards = new Map<number, ShardState>();

  constructor(connection: NatsConnection, troubles: Troubles) {
    this.#connection = connection;
    this.#troubles = troubles;
  }

  /**
   * Why a publish to a shard is refused, which counts it; null when it may be sent. Hot path.
   *
   * @returns `STORE_FULL` or `UNAVAILABLE`; both may be tried again.
   */
  refusal(shard: number, byteCount: number): CodedError | null {
    const state = this.#stateOf(shard);
    state.ownBytes += byteCount;
    if (performance.now() >= state.dueMs || isFilling(state)) this.#ask(shard, state);
    const { refusal } = state;
    if (refusal !== null) {
      this.#troubles.note(state.kind, () => ({ shard, reason: refusal.detail }));
    }
    return refusal;
  }

  /** A shard did not take a publish: nobody answered, or it was full. Its leader is asked soon. */
  suspect(shard: number): void {
    const state = this.#stateOf(shard);
    state.dueMs = Math.min(state.dueMs, performance.now() + OFTEN_MS);
  }

  /** A publish had no ack: the leader is asked, and storing tried, with the next publish. */
  suspectStore(shard: number): void {
    const state = this.#stateOf(shard);
    state.isSuspect = true;
    state.dueMs = 0;
  }

  /** What was known of a shard does not hold any more. */
  forget(shard: number): void {
    this.#shards.delete(shard);
  }

  #ask(shard: number, state: ShardState): void {
    if (state.isAsking) return;
    state.isAsking = true;
    state.ownBytes = 0;
    this.#look(shard, state).then(
      (waitMs) => {
        state.isAsking = false;
        state.dueMs = performance.now() + waitMs;
      },
      (error: unknown) => {
        state.isAsking = false;
        state.dueMs = performance.now() + OFTEN_MS;
        if (isStreamMissing(error)) refuse(state, "shard_missing", missing(shard));
        // else: no leader just now
      },
    );
  }

  /** @returns when to look again, ms. */
  async #look(shard: number, state: ShardState): Promise<number> {
    const { bytes, config } = await streamFacts(this.#connection, shardStream(shard));
    state.bytes = bytes;
    state.bytesMax = config.max_bytes;
    const share = config.max_bytes > 0 ? bytes / config.max_bytes : 0;
    if (state.isSuspect) {
      const isStoring = await this.#tryToStore(shard);
      if (!isStoring) {
        refuse(state, "store_refused", notStoring(shard));
        return OFTEN_MS;
      }
      state.isSuspect = false;
    }
    if (share < MEMBERS_SHARE) state.refusal = null;
    else refuse(state, "shard_full", full(shard, bytes, config.max_bytes));
    return share < OFTEN_SHARE ? SELDOM_MS : OFTEN_MS;
  }

  /** Whether the leader, which has just answered, stores a marker. */
  async #tryToStore(shard: number): Promise<boolean> {
    try {
      await storeMarker(this.#connection, anchorSubject(shard), "trial");
      return true;
    } catch {
      return false; // whatever the reason: publishes would fare no better
    }
  }

  #stateOf(shard: number): ShardState {
    let state = this.#shards.get(shard);
    if (state === undefined) {
      const unknown = { refusal: null, kind: "shard_full", isAsking: false } as const;
      state = { ...unknown, ownBytes: 0, bytes: 0, bytesMax: 0, dueMs: 0, isSuspect: false };
      this.#shards.set(shard, state);
    }
    return state;
  }
}

/** Whether this process alone has written enough to come near the limit. */
function isFilling({ bytes, ownBytes, bytesMax }: ShardState): boolean {
  return bytesMax > 0 && ownBytes > (bytesMax - bytes) / 2 && ownBytes > bytesMax / 64;
}

function refuse(state: ShardState, kind: TroubleKind, refusal: CodedError): void {
  state.kind = kind;
  state.refusal = refusal;
}

function notStoring(shard: number): CodedError {
  const detail = `the leader of shard ${shard} answers, but stores nothing: is its disk full?`;
  return new CodedError("UNAVAILABLE", detail);
}

function full(shard: number, bytes: number, bytesMax: number): CodedError {
  const share = Math.floor((bytes / bytesMax) * 100);
  const detail = `shard ${shard} holds ${share} % of its ${bytesMax} bytes; nothing was stored`;
  return new CodedError("STORE_FULL", detail);
}

function missing(shard: number): CodedError {
  const detail = `stream ${shardStream(shard)} was removed; its rooms take no publishes for now`;
  return new CodedError("UNAVAILABLE", detail);
}
