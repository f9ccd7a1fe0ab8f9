/**
 * The token of a client: asked for before each connection, and again before it ends on an open one.
 *
 * One call of the token function at a time, whoever waits for it: a hundred tabs that come back
 * must not ask an issuer twice each.
 */
import { backoffMs } from "./backoff.ts";
import type { CancelTimer } from "./clock.ts";
import type { Emitter } from "./emitter.ts";
import { errorText, TidegateError } from "./error.ts";
import { frameError } from "./frame.ts";
import type { ErrorFrame } from "./gen/tidegate/client/v1/error.ts";
import type { Link } from "./link.ts";
import type { SessionSetup } from "./session-setup.ts";

/**
 * Which part of a token's life passes before the next is asked for, and what chance adds to it:
 * clients that came together do not ask together.
 */
const ASK_AFTER = 0.7;
const ASK_SPREAD = 0.15;
/** Longest timer, milliseconds: a longer one fires at once. What ends later is asked for early. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** What tokens need of the session. */
export interface TokenLink extends Link {
  /** Takes what no promise waits for. */
  readonly errors: Pick<Emitter<TidegateError>, "emit">;
}

export class Tokens {
  readonly #link: TokenLink;
  readonly #setup: SessionSetup;
  #asking: Promise<string> | null = null;
  #isRefreshing = false;
  /** Of the Refresh that is unanswered, or 0. */
  #requestId = 0;
  #failedCount = 0;
  #cancel: CancelTimer = () => {};

  constructor(link: TokenLink, setup: SessionSetup) {
    this.#link = link;
    this.#setup = setup;
  }

  /** Whether there can be a better one than the last. */
  get canRenew(): boolean {
    return typeof this.#setup.token !== "string";
  }

  /** A token to show. @throws {TidegateError} `CONNECT_FAILED`: the function threw, or hangs. */
  get(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  /** The token shown is in force, and ends in so many milliseconds; 0: never. */
  onValid(expiresInMs: number): void {
    this.onBreak();
    this.#failedCount = 0;
    const part = ASK_AFTER + ASK_SPREAD * this.#setup.runtime.random();
    if (expiresInMs > 0) this.#refreshLater(expiresInMs * part);
  }

  onBreak(): void {
    this.#cancel();
    this.#requestId = 0;
    this.#isRefreshing = false;
  }

  /** The gateway says that it ends soon, or is revoked. */
  onExpiring(): void {
    void this.#refresh();
  }

  /** Returns whether the error was the answer to a Refresh; the old token is in force still. */
  onError(frame: ErrorFrame): boolean {
    if (frame.requestId !== this.#requestId) return false;
    this.#again(frameError(frame));
    return true;
  }

  async #ask(): Promise<string> {
    const { token, limits, runtime } = this.#setup;
    const { handshakeTimeoutMs } = limits;
    let cancel: CancelTimer = () => {};
    try {
      if (typeof token === "string") return token;
      const late = new Promise<never>((_, reject) => {
        const error = new Error(`none within ${handshakeTimeoutMs} ms`);
        cancel = runtime.clock.setTimer(handshakeTimeoutMs, () => reject(error));
      });
      return await Promise.race([token(), late]);
    } catch (cause) {
      throw new TidegateError("CONNECT_FAILED", `no token: ${errorText(cause)}`, { cause });
    } finally {
      cancel();
    }
  }

  async #refresh(): Promise<void> {
    if (this.#isRefreshing || !this.canRenew) return;
    this.#cancel();
    this.#isRefreshing = true;
    try {
      const token = await this.get();
      if (!this.#isRefreshing) return; // broken meanwhile: the next connection shows it
      this.#requestId = this.#link.nextRequestId();
      this.#link.send({ $case: "refresh", value: { token, requestId: this.#requestId } });
    } catch (reason) {
      if (this.#isRefreshing) this.#again(reason as TidegateError);
    }
  }

  #again(error: TidegateError): void {
    this.#link.errors.emit(error);
    this.onBreak();
    const random = this.#setup.runtime.random();
    this.#refreshLater(backoffMs(this.#failedCount, error.retryAfterMs, random, false));
    this.#failedCount += 1;
  }

  #refreshLater(delayMs: number): void {
    const refresh = () => void this.#refresh();
    this.#cancel = this.#link.clock.setTimer(Math.min(TIMER_MAX_MS, delayMs), refresh);
  }
}
