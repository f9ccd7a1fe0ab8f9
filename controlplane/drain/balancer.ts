/**
 * Moves load to gateways that have little, while this control plane leads.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Bus } from "../../bus/bus.ts";
import { CodedError } from "../../proto/coded-error.ts";
import type { Log } from "../log.ts";
import { askGateway } from "./ask-gateway.ts";
import { type BalanceOptions, decideBalance } from "./decide-balance.ts";

/** Time between two turns, ms: twice what facts of gateways take to be said anew. */
export const TURN_MS = 10_000;

export class Balancer {
  readonly #bus: Bus;
  readonly #log: Log;
  readonly #options: BalanceOptions;
  readonly #stop = new AbortController();
  #isBalancing = false;

  private constructor(bus: Bus, log: Log, options: BalanceOptions) {
    this.#bus = bus;
    this.#log = log;
    this.#options = options;
  }

  /** Takes a turn every {@link TURN_MS} while `mayAct` says so, until {@link close}. */
  static start(bus: Bus, log: Log, options: BalanceOptions, mayAct: () => boolean): Balancer {
    const balancer = new Balancer(bus, log, options);
    void balancer.#run(mayAct);
    return balancer;
  }

  /** For good. */
  close(): void {
    this.#stop.abort();
  }

  async #run(mayAct: () => boolean): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      // Aborted: the loop ends by its condition.
      await sleep(TURN_MS, undefined, { signal, ref: false }).catch(() => {});
      if (signal.aborted) return;
      if (mayAct()) await this.#turn(Date.now() * 1000);
      else this.#isBalancing = false;
    }
  }

  /** One turn; what fails is left to the next one. */
  async #turn(nowUs: number): Promise<void> {
    try {
      const processes = await this.#bus.topology.processes();
      const was = this.#isBalancing;
      const turn = decideBalance(processes, this.#options, was, nowUs, TURN_MS);
      this.#isBalancing = turn.isBalancing;
      if (was !== turn.isBalancing) {
        const text = turn.isBalancing ? "clients are moved to emptier gateways" : "balanced";
        this.#log.info({ orders: turn.orders }, text);
      }
      const orders = turn.orders.map(({ gateway, count, ratePerS }) => {
        const value = { count, connectionsPerSecondMax: ratePerS };
        return askGateway(this.#bus, gateway, { $case: "shed", value });
      });
      await Promise.all(orders);
    } catch (error) {
      const { code, detail } = CodedError.from(error);
      this.#log.warn({ code, detail }, "a turn of the balance has failed");
    }
  }
}
