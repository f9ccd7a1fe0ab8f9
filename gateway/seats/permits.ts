/**
 * The permits that this gateway has of one large limit, and who waits for one.
 *
 * Admission is a look at two numbers while some are left. When none is, one write of the pool takes
 * what those who wait need and some to spare; what is not needed any more goes back.
 */
import type { Bus } from "../../bus/bus.ts";
import type { Owners } from "../../bus/seats/owners.ts";
import {
  freeShares,
  inheritPermit,
  type PermitTable,
  sharePermits,
  spareMax,
} from "../../bus/seats/permit-pool.ts";
import { poolKey } from "../../bus/seats/seat-keys.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { LimitSetting } from "../../proto/limits.ts";
import { LimitError } from "../limit-error.ts";
import type { KeyQueue } from "./key-queue.ts";

/** Permits that are not used any more are gathered for so long, ms, before they go back. */
const GIVE_BACK_MS = 20;
/** After a write that got no answer, what is used is told again after this, ms. */
const AGAIN_MS = 1000;

/** Limits that are leased in chunks. */
export type PoolName = "connections" | "rooms";

/** What permits are taken from. */
export interface PermitParts {
  readonly bus: Bus;
  readonly queue: KeyQueue<PermitTable>;
  readonly owners: Owners;
}

/** Someone who waits for a permit. */
interface Waiter {
  /** Was admitted before, by a gateway that may be gone. */
  readonly isReturning: boolean;
  resolve(): void;
  reject(error: CodedError): void;
}

export class Permits {
  readonly tenant: string;
  readonly name: PoolName;
  readonly #parts: PermitParts;
  readonly #key: string;
  #setting: LimitSetting;
  #usedCount = 0;
  #heldCount = 0;
  /** What may lie here unused, as of the last look at how many gateways there are. */
  #spareMax = 0;
  #waiters: Waiter[] = [];
  #isFilling = false;
  /** Ends when the last change of our share has. */
  #changed: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  /** @param name of the limit. */
  constructor(parts: PermitParts, tenant: string, name: PoolName, setting: LimitSetting) {
    this.#parts = parts;
    this.tenant = tenant;
    this.#key = poolKey(tenant, name);
    this.name = name;
    this.#setting = setting;
  }

  get usedCount(): number {
    return this.#usedCount;
  }

  /** Permits that this gateway has, used or not. */
  get heldCount(): number {
    return this.#heldCount;
  }

  /** The limit was changed; it has a value. */
  set(setting: LimitSetting): void {
    this.#setting = setting;
    this.#tellLater(0);
  }

  /** Takes a permit that is here. Hot path of connecting: two numbers, nothing else. */
  tryTake(): boolean {
    if (this.#usedCount >= this.#heldCount || this.#waiters.length > 0) return false;
    this.#usedCount += 1;
    return true;
  }

  /**
   * Takes a permit, from the pool if need be.
   *
   * @param isReturning it may have the permit of a gateway that does not answer any more.
   * @param waitMs for the pool; then `UNAVAILABLE`, or by this gateway's own count.
   * @throws {CodedError} `LIMIT_REACHED`, `UNAVAILABLE`.
   */
  take(isReturning: boolean, waitMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ isReturning, resolve, reject });
      if (!this.#isFilling) void this.#fill(waitMs);
    });
  }

  /** Counts what was here before the limit was, whether there is room or not. */
  force(count: number): void {
    this.#usedCount += count;
    this.#tellLater(0);
  }

  /** Gives one back. */
  release(): void {
    this.#usedCount -= 1;
    if (this.#heldCount - this.#usedCount > this.#spareMax) this.#tellLater(GIVE_BACK_MS);
  }

  /**
   * Takes what is used anew, since this process is another one to the pool now (R12).
   *
   * @returns how many there is no room for.
   * @throws {CodedError} `UNAVAILABLE`.
   */
  retake(waitMs: number): Promise<number> {
    return this.#alone(() => this.#retake(waitMs));
  }

  async #retake(waitMs: number): Promise<number> {
    this.#heldCount = 0;
    const { value } = this.#setting;
    const usedCount = this.#usedCount;
    const owner = this.#parts.bus.self;
    const count = await this.#parts.queue.change(
      this.#key,
      (table) => {
        const wish = { owner, usedCount: 0, wantedCount: usedCount, spareCount: 0 };
        const { count: result, isChanged } = sharePermits(table, wish, value);
        return { result, isChanged };
      },
      waitMs,
    );
    this.#heldCount = count;
    return Math.max(0, usedCount - count);
  }

  /** Gives everything back: nobody is here any more, or the limit is none. Not waited for. */
  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#heldCount === 0 && this.#usedCount === 0) return;
    const { incarnation } = this.#parts.bus.self;
    const give = (table: PermitTable) => {
      const isChanged = table.delete(incarnation);
      return { result: undefined, isChanged };
    };
    // Without an answer they come back when the lease ends.
    this.#parts.queue.change(this.#key, give, Infinity).catch(() => {});
  }

  async #fill(waitMs: number): Promise<void> {
    this.#isFilling = true;
    await null; // those that come in the same turn go together
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters;
      this.#waiters = [];
      try {
        await this.#alone(() => this.#fillFor(waiters, waitMs));
      } catch (error) {
        this.#heldCount = Math.min(this.#heldCount, this.#usedCount);
        this.#tellLater(AGAIN_MS);
        for (const waiter of waiters) this.#endInOutage(waiter, CodedError.from(error));
      }
    }
    this.#isFilling = false;
  }

  /** Our share is changed by one at a time: two in one write would not know of each other. */
  async #alone<T>(change: () => Promise<T>): Promise<T> {
    const before = this.#changed;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#changed = promise;
    await before;
    try {
      return await change();
    } finally {
      resolve();
    }
  }

  async #fillFor(waiters: Waiter[], waitMs: number): Promise<void> {
    const { owners, queue } = this.#parts;
    this.#spareMax = spareMax(this.#setting.value, await owners.count());
    const found = await this.#share(waiters.length, waitMs);
    this.#serve(waiters);
    if (waiters.length === 0) return;
    const holders = found.owners;
    const gone = await owners.findGone(holders);
    if (gone.size > 0) {
      const free = (table: PermitTable) => {
        const result = freeShares(table, gone);
        return { result, isChanged: result > 0 };
      };
      await queue.change(this.#key, free, waitMs);
      await this.#share(waiters.length, waitMs);
      this.#serve(waiters);
    }
    const returning = waiters.filter(({ isReturning }) => isReturning);
    if (returning.length > 0) await this.#inherit(returning.length, holders, waitMs);
    returning.splice(0, this.#take(returning.length)).forEach((waiter) => {
      waiters.splice(waiters.indexOf(waiter), 1);
      waiter.resolve();
    });
    for (const waiter of waiters) waiter.reject(this.#refusal());
  }

  /** Sets our share to what is used, what `wantedCount` need, and some to spare. */
  async #share(wantedCount: number, waitMs: number) {
    const { value } = this.#setting;
    const owner = this.#parts.bus.self;
    const found = await this.#parts.queue.change(
      this.#key,
      (table) => {
        // Half of what may lie here: the rest is what comes back before it is told.
        const spareCount = Math.floor(this.#spareMax / 2);
        const wish = { owner, usedCount: this.#usedCount, wantedCount, spareCount };
        const { count, isChanged } = sharePermits(table, wish, value);
        // What goes back is not given out any more, whether its write is answered or not.
        if (count < this.#heldCount) this.#heldCount = count;
        const owners = [...table.values()].map((share) => share.owner);
        return { result: { count, owners }, isChanged };
      },
      waitMs,
    );
    this.#heldCount = found.count;
    return found;
  }

  /** Moves permits of gateways that do not answer here, for clients that they had admitted. */
  async #inherit(
    wantedCount: number,
    holders: readonly { id: string; incarnation: string }[],
    waitMs: number,
  ): Promise<void> {
    const absent = await this.#parts.owners.findAbsent(holders);
    if (absent.size === 0) return;
    const owner = this.#parts.bus.self;
    this.#heldCount = await this.#parts.queue.change(
      this.#key,
      (table) => {
        let count = table.get(owner.incarnation)?.count ?? 0;
        const before = count;
        const wanted = this.#usedCount + wantedCount;
        while (count < wanted && inheritPermit(table, absent)) count += 1;
        if (count > 0) table.set(owner.incarnation, { owner, count });
        return { result: count, isChanged: count !== before };
      },
      waitMs,
    );
  }

  #serve(waiters: Waiter[]): void {
    for (const waiter of waiters.splice(0, this.#take(waiters.length))) waiter.resolve();
  }

  /** Uses up to `wantedCount` of what is held; returns how many. */
  #take(wantedCount: number): number {
    const count = Math.max(0, Math.min(wantedCount, this.#heldCount - this.#usedCount));
    this.#usedCount += count;
    return count;
  }

  /** The pool can not be reached. */
  #endInOutage(waiter: Waiter, error: CodedError): void {
    const { value, isOpenInOutage } = this.#setting;
    if (error.code === "UNAVAILABLE" && isOpenInOutage && this.#usedCount < value) {
      this.#usedCount += 1;
      waiter.resolve();
    } else waiter.reject(error);
  }

  /** Writes what is used soon, several changes together. */
  #tellLater(ms: number): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#alone(() => this.#share(0, AGAIN_MS)).catch(() => this.#tellLater(AGAIN_MS));
    }, ms).unref();
  }

  #refusal(): LimitError {
    const { value } = this.#setting;
    const detail = `${this.name} of the tenant: ${value}, and all are in use; try again later`;
    return new LimitError("LIMIT_REACHED", this.name, value, detail);
  }
}
