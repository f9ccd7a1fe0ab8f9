/**
 * Frees what processes have left behind that are gone: seats of users, addresses and rooms, and
 * permits. Gateways do it themselves before they refuse somebody; this is for what nobody asks for.
 *
 * Work of the leader, once a minute. Two that sweep at once do no harm: each write is a
 * compare-and-set, and only frees.
 */
import type { Bus } from "../bus/bus.ts";
import type { KeyValue, KeyValueEntry } from "../bus/key-value.ts";
import { Owners } from "../bus/seats/owners.ts";
import { decodePermits, encodePermits, freeShares } from "../bus/seats/permit-pool.ts";
import { SEAT_BUCKET } from "../bus/seats/seat-keys.ts";
import { decodeSeats, encodeSeats, freeOwners, ownersOf } from "../bus/seats/seat-set.ts";
import { CodedError } from "../proto/coded-error.ts";
import { RoomClass } from "../proto/gen/tidegate/control/v1/room_class.ts";
import { LIMIT_PREFIX } from "../proto/limits.ts";
import { ROOM_CLASS_PREFIX } from "../proto/room-class.ts";
import { NO_TRACER, type Tracer } from "../telemetry/tracing/tracer.ts";
import { LeaderTurns } from "./leader-turns.ts";
import type { Log } from "./log.ts";

/** How often the leader sweeps, ms. */
const SWEEP_MS = 60_000;
/** As gateways keep seats of broken connections by default: a process's clients may come back. */
const HOLD_MS = 45_000;
/** What is left without anything in it goes by itself after this, ms. */
const EMPTY_TTL_MS = 60_000;

/** What one sweep did. */
export interface SeatSweepCounts {
  readonly keyCount: number;
  readonly freedCount: number;
}

/**
 * Looks at every key of the bucket "seats". Throws `UNAVAILABLE`.
 *
 * @param seats the bucket.
 */
export async function sweepSeats(seats: KeyValue, owners: Owners): Promise<SeatSweepCounts> {
  const entries = await seats.list("");
  let freedCount = 0;
  for (const entry of entries) {
    if (entry.key.startsWith("left.")) continue;
    freedCount += await sweepKey(seats, owners, entry);
  }
  return { keyCount: entries.length, freedCount };
}

async function sweepKey(seats: KeyValue, owners: Owners, entry: KeyValueEntry): Promise<number> {
  const isPool = entry.key.startsWith("pool.");
  const swept = isPool ? await sweepPool(owners, entry) : await sweepSet(owners, entry);
  if (swept === null) return 0;
  try {
    await seats.update(entry.key, swept.value, entry.revision, swept.isEmpty ? EMPTY_TTL_MS : 0);
    return swept.count;
  } catch (error) {
    if (CodedError.from(error).code !== "ETAG_MISMATCH") throw error;
    return 0; // a gateway was faster; what is left is seen in the next sweep
  }
}

/** A key as it is to be, and how much is freed; null when nothing is. */
type Swept = { readonly value: Uint8Array; readonly isEmpty: boolean; readonly count: number };

async function sweepPool(owners: Owners, { value }: KeyValueEntry): Promise<Swept | null> {
  const table = decodePermits(value);
  const gone = await owners.findGone([...table.values()].map(({ owner }) => owner));
  if (gone.size === 0) return null;
  const count = freeShares(table, gone);
  return { value: encodePermits(table), isEmpty: table.size === 0, count };
}

async function sweepSet(owners: Owners, { value }: KeyValueEntry): Promise<Swept | null> {
  const table = decodeSeats(value);
  const gone = await owners.findGone(ownersOf(table));
  if (gone.size === 0) return null;
  const count = freeOwners(table, gone);
  const isEmpty = table.seats.size === 0 && table.capacity === 0;
  return { value: encodeSeats(table), isEmpty, count };
}

/** Sweeps while this process leads. */
export class SeatSweep {
  readonly #bus: Bus;
  readonly #control: KeyValue;
  readonly #log: Log;
  readonly #turns: LeaderTurns;

  /** @param control the bucket "control": without a limit in it there is nothing to sweep. */
  constructor(
    bus: Bus,
    control: KeyValue,
    log: Log,
    isLeading: () => boolean,
    tracer: Tracer = NO_TRACER,
  ) {
    this.#bus = bus;
    this.#control = control;
    this.#log = log;
    const work = {
      name: "sweep seats",
      everyMs: SWEEP_MS,
      failed: "seats were not swept; in a minute",
    };
    this.#turns = new LeaderTurns({ ...work, isLeading, turn: () => this.#sweep() }, log, tracer);
  }

  /** Begins no more sweeps; one under way ends by itself. */
  close(): void {
    this.#turns.close();
  }

  async #sweep(): Promise<void> {
    if (!(await this.#hasLimits())) return;
    const seats = await this.#bus.keyValue(SEAT_BUCKET);
    const owners = new Owners(this.#bus, () => Promise.resolve(seats), HOLD_MS);
    const { freedCount } = await sweepSeats(seats, owners);
    if (freedCount > 0) this.#log.info({ freedCount }, "seats of processes that are gone are free");
  }

  /** Without a limit the bucket is not even made. */
  async #hasLimits(): Promise<boolean> {
    if ((await this.#control.list(LIMIT_PREFIX)).length > 0) return true;
    const classes = await this.#control.list(ROOM_CLASS_PREFIX);
    return classes.some(({ value }) => RoomClass.decode(value).memberCountMax > 0);
  }
}
