/**
 * What tenants with a limit store, as this gateway knows it: what the control plane counted last,
 * and what was published here since.
 */
import type { Bus, Unsubscribe } from "../../bus/bus.ts";
import {
  decodeStored,
  STORED_COUNT_MS,
  STORED_PREFIX,
  storedTenant,
  USAGE_BUCKET,
} from "../../proto/stored-usage.ts";
import { LimitError } from "../limit-error.ts";
import type { Log } from "../log.ts";
import { followBucket } from "./follow-bucket.ts";

interface Usage {
  countedBytes: number;
  /** Of envelopes that were published here since. */
  sinceBytes: number;
}

export class StoredUsage {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #tenants = new Map<string, Usage>();
  #unfollow: Unsubscribe | null = null;
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
    this.#unfollow ??= this.#follow();
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
    this.#unfollow?.();
  }

  #of(tenant: string): Usage {
    const known = this.#tenants.get(tenant);
    if (known !== undefined) return known;
    const made = { countedBytes: 0, sinceBytes: 0 };
    this.#tenants.set(tenant, made);
    return made;
  }

  /** The bucket is opened with the first publish under a limit. */
  #follow(): Unsubscribe {
    return followBucket(this.#bus, this.#log, {
      ...{ bucket: USAGE_BUCKET, prefix: STORED_PREFIX },
      trouble: "what tenants store is not known; trying on",
      onChange: ({ key, value }) => {
        const usage = this.#of(storedTenant(key));
        usage.countedBytes = decodeStored(value);
        usage.sinceBytes = 0;
      },
    });
  }
}
