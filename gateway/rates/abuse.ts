/**
 * Who goes on sending though it is refused: counted by user, or by address when anonymous, and
 * blocked for a time.
 *
 * Every refusal is taken from a bucket of its own. It is large enough for a client that had all its
 * requests in flight when it was refused and then does as it is told, and small enough that a flood
 * ends within its first seconds.
 */
import { ipKey, userKey } from "../../bus/seats/seat-keys.ts";
import type { CodedError } from "../../proto/coded-error.ts";
import type { Connection } from "../connection.ts";
import type { ConnectionLog } from "../connection-log.ts";
import type { Identity } from "../identity.ts";
import { LimitError } from "../limit-error.ts";
import { addressOfConnection } from "../seats/address.ts";
import type { Sender } from "../sender.ts";
import type { Blocks } from "./blocks.ts";

/** Refusals a second that nobody minds. */
export const REFUSALS_PER_SECOND = 100;
/** And at once: twice the requests that a connection may have in flight. */
export const REFUSALS_AT_ONCE = 2048;
/** Users and addresses whose refusals are counted; beyond it the one that began first is not. */
export const COUNTED_MAX = 10_000;

const costUs = 1e6 / REFUSALS_PER_SECOND;
const burstUs = REFUSALS_AT_ONCE * costUs;

/** Whom a block is about: a user, or the address of one without a name; "" when unknown. */
export function blockKey(connection: Connection, { tenant, user }: Identity): string {
  if (user !== "") return userKey(tenant, user);
  const address = addressOfConnection(connection);
  return address === "" ? "" : ipKey(tenant, address);
}

export class Abuse {
  readonly #blocks: Blocks;
  readonly #sender: Sender;
  readonly #log: Pick<ConnectionLog, "warn">;
  readonly #nowUs: () => number;
  /** When the refusals of each are paid for. */
  readonly #paidUs = new Map<string, number>();

  /** @param nowUs as of Rates. */
  constructor(
    blocks: Blocks,
    sender: Sender,
    log: Pick<ConnectionLog, "warn">,
    nowUs = () => performance.now() * 1000,
  ) {
    this.#blocks = blocks;
    this.#sender = sender;
    this.#log = log;
    this.#nowUs = nowUs;
  }

  /** A request was refused for a rate: who goes too far is closed with `BLOCKED`, and kept out. */
  note(connection: Connection, identity: Identity, { limit, value }: LimitError): void {
    const key = blockKey(connection, identity);
    if (!this.#isTooMuch(key)) return;
    this.#paidUs.delete(key);
    const forMs = this.#blocks.add(key);
    const fields = { user: identity.user, limit, forMs };
    this.#log.warn(connection, fields, "a client went on above a limit: blocked");
    this.#sender.close(connection, blocked(limit, value, forMs));
  }

  /** @throws {CodedError} `BLOCKED` for one that comes back before its time. */
  refuseBlocked(connection: Connection, identity: Identity): void {
    if (this.#blocks.count === 0) return;
    const leftMs = this.#blocks.leftMs(blockKey(connection, identity));
    if (leftMs > 0) throw blocked("blocked", 0, leftMs);
  }

  #isTooMuch(key: string): boolean {
    const nowUs = this.#nowUs();
    const paidUs = Math.max(this.#paidUs.get(key) ?? 0, nowUs) + costUs;
    this.#paidUs.delete(key); // goes to the end: the first is the one that was refused longest ago
    this.#paidUs.set(key, paidUs);
    if (this.#paidUs.size > COUNTED_MAX) {
      for (const first of this.#paidUs.keys()) {
        this.#paidUs.delete(first);
        break;
      }
    }
    return paidUs - nowUs > burstUs;
  }
}

function blocked(limit: string, value: number, forMs: number): CodedError {
  const detail = `this client went on sending above a limit; come again in ${forMs} ms`;
  return new LimitError("BLOCKED", limit, value, detail, forMs);
}
