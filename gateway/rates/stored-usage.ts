/**
 * What tenants with a limit store, as this gateway knows it: what the control plane counted last,
 * and what was published here since.
 */
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import {
  decodeStored,
  STORED_COUNT_MS,
  STORED_PREFIX,
  storedTenant,
  USAGE_BUCKET,
} from "../../proto/stored-usage.ts";
import { LimitError } from "../limit-error.ts";
import type { Log } from "../log.ts";

/** A bucket that could not be opened is tried again after this, ms. */
const RETRY_MS = 5000;

interface Usage {
  countedBytes: number;
  /** Of envelopes that were published here since. */
  sinceBytes: number;
}

export class StoredUsage {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #tenants = new Map<string, Usage>();
  #following: Promise<void> | null = null;
  #unwatch: (() => void) | null = null;
  #isClosed = false;
  refusedCount = 0;

  constructor(bus: Bus, log: Log) {
    this.#bus = bus;
    this.#log = log;
  }

  /**
   * Takes a durable publish of a tenant with that limit.
   *
   * @throws {CodedError} `STORAGE_LIMIT` when its rooms hold as much already.
   */
  take(tenant: string, limit: number, byteCount: number): void {
    this.#following ??= this.#follow();
    const usage = this.#of(tenant);
    if (usage.countedBytes + usage.sinceBytes < limit) {
      usage.sinceBytes += byteCount;
      return;
    }
    this.refusedCount += 1;
    const detail = `the rooms of tenant "${tenant}" hold ${limit} bytes or more, its limit`;
    throw new LimitError("STORAGE_LIMIT", "stored-bytes", limit, detail, STORED_COUNT_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#unwatch?.();
  }

  #of(tenant: string): Usage {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const made = { countedBytes: 0, sinceBytes: 0 };
    this.#tenants.set(tenant, made);
    return made;
  }

  /** The bucket is opened with the first publish under a limit. */
  async #follow(): Promise<void> {
    try {
      const keys = await this.#bus.keyValue(USAGE_BUCKET);
      if (this.#isClosed) return;
      const unwatch = await keys.watch(STORED_PREFIX, {
        onChange: ({ key, value }) => {
          const usage = this.#of(storedTenant(key));
          usage.countedBytes = decodeStored(value);
          usage.sinceBytes = 0;
        },
        onSynced() {},
      });
      if (this.#isClosed) unwatch();
      else this.#unwatch = unwatch;
    } catch (error) {
      if (this.#isClosed) return;
      const { code, detail } = CodedError.from(error);
      this.#log.warn({ code, detail }, "what tenants store is not known; trying on");
      setTimeout(() => {
        this.#following = null; // the next publish tries again
      }, RETRY_MS).unref();
    }
  }
}
