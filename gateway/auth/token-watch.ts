/**
 * Ends of tokens on open connections: a hint before, TOKEN_EXPIRED after. A token whose key was
 * withdrawn ends too, with a hint within half a minute and the close after a whole one.
 *
 * One timer for all connections. Ten thousand tokens that end at once are worked off some hundred a
 * turn, so that messages go on between.
 */
import { CodedError } from "../../proto/coded-error.ts";
import type { Clock } from "../clock.ts";
import { type Connection, Phase } from "../connection.ts";
import { inSlices } from "../flags/slices.ts";
import type { Sender } from "../sender.ts";
import { encodeServerFrame } from "../server-frames.ts";
import type { Withdrawals } from "./anchors.ts";
import { DeadlineWheel } from "./deadline-wheel.ts";
import { decideTokenStep, expiresInMs, HINT_SPREAD_S } from "./token-deadline.ts";

/** How often it is looked for tokens that end, ms. */
const SWEEP_MS = 500;
/** Connections of one turn: some 2 ms of work. */
const SLICE_COUNT = 200;

/** The tokens of one gateway's connections. */
export class TokenWatch {
  readonly #clock: Clock;
  readonly #sender: Sender;
  readonly #withdrawals: Withdrawals;
  readonly #wheel = new DeadlineWheel<Connection>();
  readonly #timer: NodeJS.Timeout;
  #isWorking = false;
  #isClosed = false;

  constructor(clock: Clock, sender: Sender, withdrawals: Withdrawals) {
    this.#clock = clock;
    this.#sender = sender;
    this.#withdrawals = withdrawals;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS).unref();
  }

  /** Connections whose token ends. */
  get count(): number {
    return this.#wheel.count;
  }

  /** A connection has an identity, its first or another one. */
  follow(connection: Connection): void {
    const nowS = this.#nowS();
    const endS = this.#endS(connection, nowS);
    if (endS === 0) {
      this.#wheel.remove(connection);
      return;
    }
    const step = decideTokenStep(endS, connection.number, nowS);
    this.#wheel.put(connection, step.is === "wait" ? step.untilS : nowS, nowS);
  }

  /** Looks at all of them whenever something that tokens are good by may be withdrawn. */
  followWithdrawals(connections: ReadonlySet<Connection>): void {
    const look = (connection: Connection) => {
      const { identity, phase, number, dueS } = connection;
      if (identity === null || phase !== Phase.OPEN) return; // Hello is judged at its end
      const nowS = this.#nowS();
      if (this.#withdrawals.sinceS(identity.anchor, nowS) === 0) return;
      const tellAtS = nowS + (number % HINT_SPREAD_S);
      if (dueS === 0 || dueS > tellAtS) this.#wheel.put(connection, tellAtS, nowS);
    };
    this.#withdrawals.follow(() => void inSlices(connections, look, () => this.#isClosed));
  }

  /** A connection is gone. */
  forget(connection: Connection): void {
    this.#wheel.remove(connection);
  }

  /** How long a connection's token is good, as Welcome says it; 0: for ever. */
  expiresInMs(connection: Connection): number {
    const nowS = this.#nowS();
    return expiresInMs(this.#endS(connection, nowS), nowS);
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  /** When its token ends, or ended; 0: never. */
  #endS({ identity }: Connection, nowS: number): number {
    if (identity === null) return 0;
    const { expiresAtS, anchor } = identity;
    const withdrawnS = this.#withdrawals.sinceS(anchor, nowS);
    if (withdrawnS === 0 || expiresAtS === 0) return withdrawnS || expiresAtS;
    return Math.min(withdrawnS, expiresAtS);
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
    const endS = this.#endS(connection, nowS);
    if (endS === 0 || connection.socket === null) return;
    const step = decideTokenStep(endS, connection.number, nowS);
    if (step.is === "close") {
      const detail = "the token has ended, or its key was withdrawn; connect with a new one";
      this.#sender.close(connection, new CodedError("TOKEN_EXPIRED", detail));
      return;
    }
    this.#wheel.put(connection, step.untilS, nowS);
    if (step.is === "wait") return; // it was only looked at ahead of its time
    const value = { expiresInMs: expiresInMs(endS, nowS), revoked: false };
    this.#sender.send(connection, encodeServerFrame({ $case: "tokenExpiring", value }));
  }

  #nowS(): number {
    return this.#clock.nowUs() / 1e6;
  }
}
