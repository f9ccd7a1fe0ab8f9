/**
 * Takes and frees seats of keys: claims by compare-and-set, and before a refusal a look whether
 * those who have the seats are still there.
 */
import type { KeyValue } from "../../bus/key-value.ts";
import type { Owners } from "../../bus/seats/owners.ts";
import {
  claimSeat,
  decodeSeats,
  encodeSeats,
  freeOwners,
  freeSeat,
  ownersOf,
  type SeatClaim,
  type SeatHolder,
  type SeatTable,
  type SeatVerdict,
} from "../../bus/seats/seat-set.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Log } from "../log.ts";
import { KeyQueue } from "./key-queue.ts";

/** Seats of a key: a number, or read off what is in it. */
export type Share = number | ((table: SeatTable) => number);

export class SeatKeeper {
  readonly queue: KeyQueue<SeatTable>;
  readonly #owners: Owners;
  readonly #log: Log;

  constructor(open: () => Promise<KeyValue>, owners: Owners, log: Log) {
    this.#owners = owners;
    this.#log = log;
    this.queue = new KeyQueue(open, {
      decode: decodeSeats,
      encode: encodeSeats,
      isEmpty: ({ seats, capacity }) => seats.size === 0 && capacity === 0,
    });
  }

  /**
   * Claims a seat of one key.
   *
   * @param share seats of the key.
   * @param waitMs then `UNAVAILABLE`, and the seat, should it have been written, is freed later.
   */
  async claim(key: string, claim: SeatClaim, share: Share, waitMs: number): Promise<SeatVerdict> {
    try {
      return await this.#claim(key, claim, share, waitMs);
    } catch (error) {
      const isUnsure = CodedError.from(error).code === "UNAVAILABLE" && claim.isNewcomer;
      if (isUnsure) this.free(key, claim.session, holderOf(claim));
      throw error;
    }
  }

  async #claim(key: string, claim: SeatClaim, share: Share, waitMs: number) {
    const shareOf = (table: SeatTable) => (typeof share === "number" ? share : share(table));
    const first = await this.queue.change(
      key,
      (table) => {
        const { verdict, isChanged } = claimSeat(table, claim, shareOf(table));
        const owners = verdict.is === "full" ? ownersOf(table) : [];
        return { result: { verdict, owners }, isChanged };
      },
      waitMs,
    );
    if (first.verdict.is !== "full") return first.verdict;
    const gone = await this.#owners.findGone(first.owners);
    if (gone.size === 0) return first.verdict;
    return this.queue.change(
      key,
      (table) => {
        const freedCount = freeOwners(table, gone);
        const { verdict, isChanged } = claimSeat(table, claim, shareOf(table));
        return { result: verdict, isChanged: isChanged || freedCount > 0 };
      },
      waitMs,
    );
  }

  /** Frees a seat if that connection still has it; tried until it is done. */
  free(key: string, session: string, holder: SeatHolder): void {
    const step = (table: SeatTable) => {
      const isChanged = freeSeat(table, session, holder);
      return { result: undefined, isChanged };
    };
    this.queue.change(key, step, Infinity).catch((error: unknown) => {
      // The gateway is closed, or the key holds no seats: then nobody is kept out by it.
      this.#log.debug({ error, key }, "a seat was not freed");
    });
  }
}

/** The connection that makes a claim. */
export function holderOf({ owner, connection }: SeatClaim): SeatHolder {
  return { gateway: owner.id, connection };
}
