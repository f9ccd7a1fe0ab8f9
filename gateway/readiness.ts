/**
 * Whether this gateway may take new clients: not while it is cut off from the bus or has to renew
 * its lease (R12), which mostly takes some ms. So a Hello waits a moment before it is sent away.
 * While the gateway drains it is sent away at once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../bus/bus.ts";
import { CodedError } from "../proto/coded-error.ts";

/** A Hello waits this long for the bus, ms, then its connection is closed and comes again. */
export const HELLO_WAIT_MS = 2000;
/** How often the bus is looked at while a Hello waits, ms. */
const LOOK_MS = 20;

export class Readiness {
  readonly #bus: Bus;
  /** One look for all that wait. */
  #change: Promise<void> | null = null;
  #refusal: (() => CodedError) | null = null;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** From now on nobody is taken, for what `refusal` says; null: whoever comes is taken again. */
  refuse(refusal: (() => CodedError) | null): void {
    this.#refusal = refusal;
  }

  /**
   * Resolves when clients may be taken.
   *
   * @throws {CodedError} `GATEWAY_NOT_READY`, or what {@link refuse} was given.
   */
  async wait(): Promise<void> {
    const endMs = performance.now() + HELLO_WAIT_MS;
    for (;;) {
      if (this.#refusal !== null) throw this.#refusal();
      const { isConnected, detail } = this.#bus.status();
      if (isConnected) return;
      if (performance.now() > endMs) {
        throw new CodedError("GATEWAY_NOT_READY", `this gateway takes no clients now: ${detail}`);
      }
      this.#change ??= sleep(LOOK_MS).then(() => {
        this.#change = null;
      });
      await this.#change;
    }
  }
}
