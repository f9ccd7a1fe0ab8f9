/**
 * Takeovers: connections whose seats have moved are told, here and on other gateways, and closed
 * with TAKEN_OVER.
 *
 * Who moves a seat waits a moment for the answer, so that the old connection is mostly gone before
 * the new one is welcomed. A gateway that does not answer is told again until it is gone; what it
 * missed it also finds when it looks after its seats (upkeep.ts).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../../bus/bus.ts";
import { SEATS_QUESTION } from "../../bus/seats/owners.ts";
import type { SeatHolder } from "../../bus/seats/seat-set.ts";
import { CodedError } from "../../proto/coded-error.ts";
import { SeatsMoved } from "../../proto/gen/tidegate/bus/v1/seats.ts";

/** A Welcome waits so long for the old gateway's answer, ms; a frozen one does not hold it up. */
const ANSWER_MS = 300;
/** A gateway that did not answer is told again after this, ms. */
const AGAIN_MS = 2000;
/** And so often: longer than a lease lasts. */
const TRY_COUNT_MAX = 30;

/** Closes a connection if it is of that session; returns whether it was there. */
export type CloseTakenOver = (session: string, connection: number) => boolean;

export class Takeover {
  readonly #bus: Bus;
  readonly #close: CloseTakenOver;
  readonly #unsubscribe: () => void;
  #isClosed = false;
  #count = 0;

  constructor(bus: Bus, close: CloseTakenOver) {
    this.#bus = bus;
    this.#close = close;
    this.#unsubscribe = bus.answer(SEATS_QUESTION, (body) => this.#answer(body));
  }

  /** Connections that were closed here since their seats had moved. */
  get count(): number {
    return this.#count;
  }

  /** Tells all that held the session's seats before; resolves when they know, or after 300 ms. */
  async tell(session: string, ousted: readonly SeatHolder[]): Promise<void> {
    const byGateway = new Map<string, number[]>();
    for (const { gateway, connection } of ousted) {
      const connections = byGateway.get(gateway) ?? [];
      if (!connections.includes(connection)) connections.push(connection);
      byGateway.set(gateway, connections);
    }
    const told = [...byGateway].map(([gateway, connections]) => {
      if (gateway === this.#bus.self.id) return this.#closeHere(session, connections);
      return this.#tellGateway(gateway, session, connections);
    });
    await Promise.all(told);
  }

  close(): void {
    this.#isClosed = true;
    this.#unsubscribe();
  }

  async #tellGateway(
    gateway: string,
    session: string,
    connections: readonly number[],
  ): Promise<void> {
    const bytes = Buffer.from(session, "latin1");
    const seats = connections.map((connection) => ({ session: bytes, connection }));
    const body = SeatsMoved.encode({ seats }).finish();
    if (await this.#ask(gateway, body)) return;
    void this.#tellAgain(gateway, body);
  }

  /** Whether the gateway knows, or is not there any more. */
  async #ask(gateway: string, body: Uint8Array): Promise<boolean> {
    try {
      await this.#bus.ask(gateway, SEATS_QUESTION, body, ANSWER_MS);
      return true;
    } catch (error) {
      return CodedError.from(error).code === "NOT_FOUND";
    }
  }

  async #tellAgain(gateway: string, body: Uint8Array): Promise<void> {
    for (let count = 1; count < TRY_COUNT_MAX && !this.#isClosed; count += 1) {
      await sleep(AGAIN_MS, null, { ref: false });
      if (this.#isClosed || (await this.#ask(gateway, body))) return;
    }
  }

  /** An empty question only asks whether somebody is there. */
  #answer(body: Uint8Array): Uint8Array {
    for (const { session, connection } of SeatsMoved.decode(body).seats) {
      this.#closeHere(Buffer.from(session).toString("latin1"), [connection]);
    }
    return new Uint8Array(0);
  }

  #closeHere(session: string, connections: readonly number[]): void {
    for (const connection of connections) {
      if (this.#close(session, connection)) this.#count += 1;
    }
  }
}
