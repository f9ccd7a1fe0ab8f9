/**
 * Ends of tokens on open connections: a hint before, TOKEN_EXPIRED after.
 *
 * One timer for all connections. Ten thousand tokens that end at once are worked off some hundred a
 * turn, so that messages go on between.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Clock } from "../clock.ts";
import type { Connection } from "../connection.ts";
import type { Sender } from "../sender.ts";
import { encodeServerFrame } from "../server-frames.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import { decideTokenStep, expiresInMs } from "./token-deadline.ts";

/** How often it is looked for tokens that end, ms. */
const SWEEP_MS = 500;
/** Connections of one turn: some 2 ms of work. */
const SLICE_COUNT = 200;

/** The tokens of one gateway's connections. */
export class TokenWatch {
  readonly #clock: Clock;
  readonly #sender: Sender;
  readonly #wheel = new DeadlineWheel<Connection>();
  readonly #timer: NodeJS.Timeout;
  #isWorking = false;

  constructor(clock: Clock, sender: Sender) {
    this.#clock = clock;
    this.#sender = sender;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** Connections whose token ends. */
  get count(): number {
    return this.#wheel.count;
  }

  /** A connection has an identity, its first or another one. */
  follow(connection: Connection): void {
    const expiresAtS = connection.identity?.expiresAtS ?? 0;
    if (expiresAtS === 0) {
      this.#wheel.remove(connection);
      return;
    }
    const nowS = this.#nowS();
    const step = decideTokenStep(expiresAtS, connection.number, nowS);
    this.#wheel.put(connection, step.is === "wait" ? step.untilS : nowS, nowS);
  }

  /** A connection is gone. */
  forget(connection: Connection): void {
    this.#wheel.remove(connection);
  }

  /** How long a connection's token is good, as Welcome says it; 0: for ever. */
  expiresInMs({ identity }: Connection): number {
    return expiresInMs(identity?.expiresAtS ?? 0, this.#nowS());
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    if (!this.#isWorking) this.#work();
  }

  #work(): void {
    const nowS = this.#nowS();
    const due = this.#wheel.take(nowS, SLICE_COUNT);
    for (const connection of due) this.#step(connection, nowS);
    this.#isWorking = due.length === SLICE_COUNT;
    if (this.#isWorking) setImmediate(() => this.#work());
  }

  #step(connection: Connection, nowS: number): void {
    const expiresAtS = connection.identity?.expiresAtS ?? 0;
    if (expiresAtS === 0 || connection.socket === null) return;
    const step = decideTokenStep(expiresAtS, connection.number, nowS);
    if (step.is === "close") {
      const detail = "the token has ended; connect with a new one";
      this.#sender.close(connection, new CodedError("TOKEN_EXPIRED", detail));
      return;
    }
    this.#wheel.put(connection, step.untilS, nowS);
    if (step.is === "wait") return; // it was only looked at ahead of its time
    const value = { expiresInMs: expiresInMs(expiresAtS, nowS), revoked: false };
    this.#sender.send(connection, encodeServerFrame({ $case: "tokenExpiring", value }));
  }

  #nowS(): number {
    return this.#clock.nowUs() / 1e6;
  }
}
