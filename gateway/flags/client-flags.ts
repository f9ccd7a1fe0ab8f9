/**
 * Flags for clients: all of them in Welcome, and afterwards what changes for a client, live.
 *
 * Changes are told in passes over all connections, one after the other, each from one state of the
 * flags to the next; a connection keeps the number of the state that it was told of. A change that
 * comes during a pass is in the next one, together with all others that came.
 */
import { FlagEngine, type FlagOutcome } from "../../proto/flags/flag-engine.ts";
import type { Flags } from "../../proto/gen/tidegate/client/v1/flag.ts";
import { type Connection, Phase } from "../connection.ts";
import { contextOf, type GatewayContext } from "../context.ts";
import type { Identity } from "../identity.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { Exposures, type VariantCount } from "./exposures.ts";
import { FlagBook, type RecordFeed } from "./flag-book.ts";
import {
  allOutcomes,
  buildState,
  concernsClients,
  type FlagChange,
  type FlagState,
  findChange,
  NO_FLAGS,
  newOutcomes,
} from "./flag-state.ts";
import { inSlices } from "./slices.ts";
import { TimedFlags } from "./timed-flags.ts";

/**
 * Flags are stale when the gateway has not known its configuration to be the newest for so long,
 * ms: six times what an idle gateway is told, or asks the bus, anew.
 */
export const FLAGS_STALE_MS = 30_000;
/** How often is looked at what the time alone changes. */
export interface FlagTimes {
  /** Staleness, ms; default 1000. */
  readonly staleLookMs: number;
  /** Flags whose rules ask for the time, ms; default 30 000: nobody plans by the second. */
  readonly timedLookMs: number;
}

/** See {@link FlagTimes}. */
const FLAG_TIMES: FlagTimes = { staleLookMs: 1000, timedLookMs: 30_000 };
/** Frames of one pass that are kept to be sent again: few values give few different frames. */
const FRAME_COUNT_MAX = 1000;

/** Where sets come from, and how old that is. */
export interface FlagFeed extends RecordFeed {
  /** Version of the configuration. */
  readonly version: number;
  /** How long ago it was known to be the newest, ms. */
  readonly ageMs: number;
}

/** For /health and /metrics. */
export interface FlagStatus {
  readonly setCount: number;
  readonly flagCount: number;
  readonly clientFlagCount: number;
  readonly isStale: boolean;
  /** Flags frames sent after Welcome. */
  readonly toldCount: number;
  /** Whether open connections are told of changes, and exposures counted. */
  readonly isLive: boolean;
  readonly countsExposures: boolean;
  /** Acks are gathered for so long, ms. */
  readonly ackWindowMs: number;
  /** Values that clients were told of, by OpenFeature's reason for them. */
  readonly decisions: Readonly<Record<string, number>>;
  /** How often clients were shown variants. */
  readonly exposures: readonly VariantCount[];
  /** Which flags of two sets contradict each other, as sentences. */
  readonly conflicts: readonly string[];
}

/** The flags of one gateway. */
export class ClientFlags {
  readonly book: FlagBook;
  readonly exposures = new Exposures();
  readonly #feed: FlagFeed;
  #context: GatewayContext | null = null;
  #connections: ReadonlySet<Connection> = new Set();
  #engine: FlagEngine | null = null;
  #state: FlagState = NO_FLAGS;
  #isStale = false;
  /** The newest sets are being made ready, or told of. */
  #working: Promise<void> | null = null;
  /** Until the first flags are ready: who comes meanwhile waits for them. */
  #first: Promise<void> | null = null;
  #isChanged = false;
  #isClosed = false;
  #toldCount = 0;
  readonly #decisions: Record<string, number> = {
    ...{ STATIC: 0, TARGETING_MATCH: 0, DEFAULT: 0, DISABLED: 0, ERROR: 0 },
  };
  #onState: (state: FlagState) => void = () => {};
  #onStale: (isStale: boolean) => void = () => {};
  #isLive = true;
  readonly #timed = new TimedFlags();
  readonly #times: FlagTimes;
  #timers: readonly NodeJS.Timeout[] = [];

  /** Follows the sets by a feed, which is opened after this. */
  constructor(feed: FlagFeed, times: Partial<FlagTimes> = {}) {
    this.#feed = feed;
    this.#times = { ...FLAG_TIMES, ...times };
    this.book = new FlagBook(feed);
    this.book.follow(() => {
      this.#isChanged = true;
      if (this.#context !== null) this.#work();
    });
  }

  /** Serves clients from now on; not before the gateway listens, since it may import a library. */
  start(context: GatewayContext, connections: ReadonlySet<Connection>): void {
    this.#context = context;
    this.#connections = connections;
    const { staleLookMs, timedLookMs } = this.#times;
    this.#timers = [
      setInterval(() => this.#lookAtAge(this.#feed.ageMs), staleLookMs).unref(),
      setInterval(() => this.#work(), timedLookMs).unref(),
    ];
    if (this.#isChanged) this.#work();
  }

  /** Calls `onState` with each new state of the flags, `onStale` when they get old or new again. */
  follow(onState: (state: FlagState) => void, onStale: (isStale: boolean) => void): void {
    this.#onState = onState;
    this.#onStale = onStale;
  }

  /** Flags as they are now. */
  get state(): FlagState {
    return this.#state;
  }

  /** The library; null while there was no flag yet. */
  get engine(): FlagEngine | null {
    return this.#engine;
  }

  get isStale(): boolean {
    return this.#isStale;
  }

  get status(): FlagStatus {
    const { flags, forClients, conflicts } = this.#state;
    return {
      ...{ setCount: this.book.setCount, flagCount: flags.size, conflicts },
      ...{ clientFlagCount: forClients.length, isStale: this.#isStale },
      ...{ toldCount: this.#toldCount, isLive: this.#isLive, decisions: this.#decisions },
      ...{ countsExposures: this.exposures.isOn, exposures: this.exposures.list() },
      ackWindowMs: this.#context?.sender.ackWindowMs ?? 0,
    };
  }

  /** Whether changes are told to open connections at once; else with their next Welcome. */
  set isLive(isLive: boolean) {
    if (this.#isLive === isLive) return;
    this.#isLive = isLive;
    if (isLive) this.#report(this.#tellBehind());
  }

  /** Null when a Welcome can be made now; else wait for it. */
  ready(): Promise<void> | null {
    return this.#first;
  }

  /** What a Welcome says; undefined where no flag is for clients. */
  welcome(context: GatewayContext, connection: Connection, identity: Identity): Flags | undefined {
    const state = this.#state;
    connection.flagState = state.number;
    if (state.forClients.length === 0) return undefined;
    const outcomes = allOutcomes(state, contextOf(context, connection, identity));
    this.#note(state, connection, outcomes);
    return this.#frame(outcomes, true);
  }

  /** Tells a connection all its flags: something else was asked about is not as it was. */
  refresh(connection: Connection): void {
    const { identity } = connection;
    if (this.#context === null || identity === null || connection.phase !== Phase.OPEN) return;
    const knowsNone = connection.flagState === 0;
    const flags = this.welcome(this.#context, connection, identity);
    if (flags === undefined && knowsNone) return;
    this.#send(connection, encodeFlags(flags ?? this.#frame([], true)));
  }

  /** Looks whether what is here is too old, and tells clients when that changes. */
  #lookAtAge(ageMs: number): void {
    const isStale = ageMs > FLAGS_STALE_MS;
    if (isStale === this.#isStale) return;
    this.#isStale = isStale;
    this.#onStale(isStale);
    if (this.#state.forClients.length === 0) return;
    const frame = encodeFlags(this.#frame([], false));
    const tell = (connection: Connection) => {
      if (connection.phase === Phase.OPEN) this.#send(connection, frame);
    };
    this.#report(inSlices(this.#connections, tell, () => this.#isClosed));
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers) clearInterval(timer);
  }

  #work(): void {
    if (this.#working !== null) return;
    let hasFailed = true;
    const run = this.#run().then(() => {
      hasFailed = false;
    });
    const working = run.finally(() => {
      this.#working = null;
      this.#first = null;
      // It came at the very end.
      if (this.#isChanged && !hasFailed && !this.#isClosed) this.#work();
    });
    this.#working = working;
    if (this.#engine === null) this.#first = working.catch(() => {}); // it is reported below
    this.#report(working);
  }

  async #run(): Promise<void> {
    if (!this.#isChanged) await this.#tellDue();
    if (!this.#isChanged) return;
    this.#engine ??= await FlagEngine.load();
    while (this.#isChanged && !this.#isClosed) {
      this.#isChanged = false;
      const next = await buildState(this.#engine, this.#state, this.book.merged());
      const change = findChange(this.#state, next);
      this.#state = next;
      this.#first = null;
      this.#onState(next);
      if (concernsClients(change) && this.#isLive) await this.#tellAll(change);
    }
  }

  /** One pass: everybody who knows the state before. */
  async #tellAll(change: FlagChange): Promise<void> {
    const frames = new Map<string, Uint8Array>();
    const tell = (connection: Connection) => {
      const { identity, flagState, phase } = connection;
      if (identity === null || phase !== Phase.OPEN || flagState >= change.to.number) return;
      if (flagState !== change.from.number) this.refresh(connection);
      else this.#tell(connection, identity, change, frames);
    };
    await inSlices(this.#connections, tell, () => this.#isClosed);
  }

  /** A pass for the flags that time has changed. */
  async #tellDue(): Promise<void> {
    const state = this.#state;
    const context = this.#context;
    if (context === null || !this.#isLive || !this.#timed.isAny(state)) return;
    const tell = (connection: Connection) => {
      const { identity, phase } = connection;
      if (identity === null || phase !== Phase.OPEN) return;
      const due = this.#timed.due(state, connection, contextOf(context, connection, identity));
      if (due.length === 0) return;
      this.#note(state, connection, due);
      this.#send(connection, encodeFlags(this.#frame(due, false)));
    };
    await inSlices(this.#connections, tell, () => this.#isClosed);
  }

  /** Whoever knows an older state is told all. */
  #tellBehind(): Promise<number> {
    const tell = (connection: Connection) => {
      if (connection.flagState < this.#state.number) this.refresh(connection);
    };
    return inSlices(this.#connections, tell, () => this.#isClosed);
  }

  #tell(
    connection: Connection,
    identity: Identity,
    change: FlagChange,
    frames: Map<string, Uint8Array>,
  ): void {
    const context = this.#context;
    if (context === null) return;
    connection.flagState = change.to.number;
    const asked = contextOf(context, connection, identity);
    const outcomes = newOutcomes(change, asked);
    const told = outcomes ?? allOutcomes(change.to, asked);
    this.#note(change.to, connection, told);
    if (outcomes !== null && outcomes.length === 0) return;
    const id = told.map(
      ({ key, variant, reason, error }) => `${key} ${variant} ${reason} ${error}`,
    );
    const place = id.join("\n");
    let frame = frames.get(place);
    if (frame === undefined) {
      frame = encodeFlags(this.#frame(told, outcomes === null));
      if (frames.size < FRAME_COUNT_MAX) frames.set(place, frame);
    }
    this.#send(connection, frame);
  }

  #note(state: FlagState, connection: Connection, outcomes: readonly FlagOutcome[]): void {
    this.#timed.note(state, connection, outcomes);
    for (const { reason } of outcomes) {
      this.#decisions[reason] = (this.#decisions[reason] ?? 0) + 1;
    }
  }

  #send(connection: Connection, frame: Uint8Array): void {
    this.#toldCount += 1;
    this.#context?.sender.send(connection, frame);
  }

  #frame(outcomes: readonly FlagOutcome[], all: boolean): Flags {
    return {
      flags: outcomes.map(({ key, valueJson, variant, reason, version }) => ({
        ...{ key, valueJson, variant, reason, version: BigInt(version) },
      })),
      all,
      version: BigInt(this.#feed.version),
      ageMs: Math.min(0xffff_ffff, Math.round(this.#feed.ageMs)),
      stale: this.#isStale,
    };
  }

  #report(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.#context?.log.error({ error }, "flags were not applied; the last good ones stay");
    });
  }
}

function encodeFlags(value: Flags): Uint8Array {
  return encodeServerFrame({ $case: "flags", value });
}
