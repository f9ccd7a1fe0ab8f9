/**
 * One message of the control plane, applied: records to the feed, addresses to the directory.
 *
 * Holds what an update in several messages has brought so far; does no I/O.
 */
import type { RejectedRecord } from "../../proto/gen/tidegate/control/v1/routing.ts";
import type {
  RoutingAck,
  StreamRoutingResponse,
} from "../../proto/gen/tidegate/control/v1/routing_service.ts";
import type { Addresses } from "./addresses.ts";
import type { ControlFeed } from "./control-feed.ts";

/** Refusals of one ack; the rest are seen in the gateway's log. */
const REJECTED_COUNT_MAX = 100;
/** Characters of one reason. */
const REASON_CHARS_MAX = 200;

/** The messages of one stream. */
export class Updates {
  readonly #feed: ControlFeed;
  readonly #addresses: Addresses;
  /** Keys of the snapshot that is arriving. */
  #keys: Set<string> | null = null;
  #rejected: RejectedRecord[] = [];
  #isWithin = false;
  /** Version that is here whole: where another stream goes on. */
  version: number;

  /** @param version that is here whole; 0 for none. */
  constructor(feed: ControlFeed, addresses: Addresses, version: number) {
    this.#feed = feed;
    this.#addresses = addresses;
    this.version = version;
  }

  /** Applies a message. @returns the answer to it, when it ends an update. */
  take(response: StreamRoutingResponse): RoutingAck | null {
    const { records, snapshot, more, ageMs } = response;
    this.#addresses.take(response);
    const isUpdate = records.length > 0 || snapshot || more || this.#isWithin;
    if (isUpdate) this.#takeRecords(response);
    if (more) return null;
    this.version = Number(response.version);
    if (ageMs !== undefined) this.#feed.proven(ageMs);
    if (!isUpdate) return null;
    this.#feed.reached(this.version, this.#keys);
    const ack = { version: response.version, rejected: this.#rejected };
    this.#keys = null;
    this.#rejected = [];
    this.#isWithin = false;
    return ack;
  }

  #takeRecords({ records, snapshot }: StreamRoutingResponse): void {
    this.#isWithin = true;
    if (snapshot) this.#keys ??= new Set();
    for (const record of records) {
      const { key } = record;
      const revision = Number(record.revision);
      this.#keys?.add(key);
      this.#feed.take({ key, value: record.deleted ? null : record.value, revision });
      const reason = this.#feed.refusal(key, revision);
      if (reason === null || this.#rejected.length >= REJECTED_COUNT_MAX) continue;
      this.#rejected.push({
        ...{ key, revision: record.revision },
        reason: reason.slice(0, REASON_CHARS_MAX),
      });
    }
  }
}
