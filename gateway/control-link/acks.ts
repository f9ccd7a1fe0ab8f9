/**
 * Acknowledgements, gathered: several updates at once are answered once, after they are applied
 * everywhere else too. One with a refusal goes at once.
 */
import type { RoutingAck } from "../../proto/gen/tidegate/control/v1/routing_service.ts";

/** An ack waits this long for others, ms. */
const GATHER_MS = 200;

/** The acks of one stream. */
export class Acks {
  readonly #send: (ack: RoutingAck) => void;
  #pending: RoutingAck | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(send: (ack: RoutingAck) => void) {
    this.#send = send;
  }

  add(ack: RoutingAck): void {
    this.#pending = ack;
    if (ack.rejected.length > 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), GATHER_MS).unref();
  }

  /** What waits is not sent. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#pending = null;
  }

  #flush(): void {
    const ack = this.#pending;
    this.close();
    if (ack !== null) this.#send(ack);
  }
}
