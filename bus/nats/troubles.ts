/**
 * What should not happen on the bus, counted by kind, and told once per interval.
 *
 * A foreign publisher, a broken record or a full stream can make thousands of these a second: the
 * counts go to /health, the log gets the first of a kind, and then one line a minute with how many
 * there were.
 */
import type { Log } from "../log.ts";
import type { OnUnsent } from "./outbox.ts";

/** Kinds of trouble, and what the log says of them. */
const texts = {
  /** A message on tg.out of a slot, without the server's headers, that is no envelope or marker. */
  foreign_message: "a message that no process of ours sends came on our subjects; it is dropped",
  /** A key of a bucket of ours holds no record that can be read. */
  broken_record: "a key of a bucket of ours holds no record; it is ignored",
  /** NATS refuses a publish or subscription of ours. */
  permission_refused: "NATS refuses what we need; see deploy/nats/nats.conf for the permissions",
  /** A shard is at 95 % of its bytes: publishes are refused with STORE_FULL. */
  shard_full: "a shard is full; publishes to its rooms are refused, reads go on",
  /** A shard's stream was removed while we run: publishes are refused until a restart. */
  shard_missing: "a shard's stream was removed; publishes to its rooms are refused until a restart",
  /** A shard's subject list was not as the records say (R11). */
  list_repaired: "a shard's subject list did not follow the records of its slots; it is repaired",
  /** A shard's stream was not set as its record says. */
  settings_repaired: "a shard's stream was not set as its record says; it is now",
  /** A gateway that is alive did not acknowledge a seal three times (R10). */
  gateway_shut_out:
    "a gateway did not acknowledge that it holds a slot's publishes, three times: its lease is " +
    "taken away and it is told to drain; look at it, and start it again or undrain it",
  /** This machine's clock and a server's differ by more than R2 allows. */
  clock_differs:
    "the clocks of this machine and of a NATS server differ; let both follow a time server",
  /** JetStream refused to store: the stream, the disk or the account has no room. */
  store_refused: "NATS can not store: a stream, its disk or its account is at a limit",
  /** The connection to NATS did not take a message, as one that is larger than the server takes. */
  unsent_message: "a message could not be handed to NATS; look at max_payload of the servers",
  /** Records of the journal could not be written; they wait, bounded, and are tried again. */
  journal_not_written: "the journal can not be written; what happens meanwhile may not be in it",
} as const;

/** What can be counted. */
export type TroubleKind = keyof typeof texts;

/** All of them. */
export const TROUBLE_KINDS = Object.keys(texts) as readonly TroubleKind[];

/** A kind is logged at most this often, ms. */
export const TROUBLE_LOG_MS = 60_000;

interface Count {
  total: number;
  /** Since the last line in the log. */
  untold: number;
  toldAtMs: number;
}

export class Troubles {
  readonly #log: Log;
  readonly #counts = new Map<TroubleKind, Count>();

  constructor(log: Log) {
    this.#log = log;
  }

  /**
   * Counts one.
   *
   * @param detail for the log: a subject, a key, an error; called only when a line is due, so that
   *   it costs nothing else.
   */
  note(kind: TroubleKind, detail: () => object): void {
    const nowMs = performance.now();
    let count = this.#counts.get(kind);
    if (count === undefined) {
      count = { total: 0, untold: 0, toldAtMs: Number.NEGATIVE_INFINITY };
      this.#counts.set(kind, count);
    }
    count.total += 1;
    count.untold += 1;
    if (nowMs - count.toldAtMs < TROUBLE_LOG_MS) return;
    this.#log.error({ kind, count: count.untold, ...detail() }, texts[kind]);
    count.untold = 0;
    count.toldAtMs = nowMs;
  }

  /** For outboxes. */
  readonly noteUnsent: OnUnsent = (subject, byteCount, error) => {
    this.note("unsent_message", () => ({ subject, byteCount, error }));
  };

  /** How many of each kind there were since the start; kinds that never came are left out. */
  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].map(([kind, { total }]) => [kind, total]));
  }
}
