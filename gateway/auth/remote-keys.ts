/**
 * The key set of an issuer, fetched by HTTPS (JWKS).
 *
 * It is fetched every few minutes, and at once for a token whose key is not in it: that is how
 * issuers rotate. Tokens can name any key, so such fetches are few, however many come. While the
 * issuer is down, slow or talks nonsense, the last good keys stay in force.
 */
import { CodedError } from "../../proto/coded-error.ts";
import { type JwtKey, readKeySet } from "../../proto/jwt-key.ts";
import { isLoopback } from "../../proto/loopback.ts";
import type { Log } from "../log.ts";
import type { KeySource, KeyStatus } from "./key-source.ts";

/** Bytes of a key set; 64 RSA keys with their certificates have 200 kB. */
export const KEY_SET_BYTES_MAX = 256 * 1024;

/** When keys are fetched. */
export interface RemoteKeyTimes {
  /** Between one that worked and the next, ms. Default 5 minutes. */
  readonly refreshMs: number;
  /** After one that failed, ms. Default 10 s. */
  readonly retryMs: number;
  /** The begins of two are so far apart at least, whatever tokens come, ms. Default 5 s. */
  readonly apartMs: number;
  /** One that is not done by then has failed, ms. Default 5 s. */
  readonly timeoutMs: number;
}

const defaultTimes: RemoteKeyTimes = {
  refreshMs: 300_000,
  retryMs: 10_000,
  apartMs: 5000,
  timeoutMs: 5000,
};

/** Before the first token: the first fetch waits so long, since a start has better to do, ms. */
const FIRST_WAIT_MS = 1000;

export class RemoteKeys implements KeySource {
  readonly #url: URL;
  readonly #log: Log;
  readonly #times: RemoteKeyTimes;
  readonly #abort = new AbortController();
  #keys: readonly JwtKey[] = [];
  #timer: NodeJS.Timeout;
  #fetching: Promise<boolean> | null = null;
  #begunMs = Number.NEGATIVE_INFINITY;
  #goodMs = performance.now();
  #trouble = "";
  #onChange: () => void = () => {};

  /**
   * Begins to follow a key set.
   *
   * @param url https, or http of this machine.
   * @throws {CodedError} `OPTION_INVALID` for another URL.
   */
  constructor(url: string, log: Log, times: Partial<RemoteKeyTimes> = {}) {
    this.#url = readUrl(url);
    this.#log = log;
    this.#times = { ...defaultTimes, ...times };
    this.#timer = setTimeout(() => void this.#fetch(), FIRST_WAIT_MS).unref();
  }

  keys(): readonly JwtKey[] {
    return this.#keys;
  }

  async renew(): Promise<boolean> {
    if (this.#fetching !== null) return this.#fetching;
    if (performance.now() - this.#begunMs < this.#times.apartMs) return false;
    return this.#fetch();
  }

  status(): KeyStatus {
    const ageMs = Math.round(performance.now() - this.#goodMs);
    return { count: this.#keys.length, ageMs, trouble: this.#trouble };
  }

  /** One listener. */
  follow(listener: () => void): void {
    this.#onChange = listener;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  /** One at a time. @returns whether it worked. */
  #fetch(): Promise<boolean> {
    this.#fetching ??= this.#fetchOnce().finally(() => {
      this.#fetching = null;
    });
    return this.#fetching;
  }

  async #fetchOnce(): Promise<boolean> {
    clearTimeout(this.#timer);
    this.#begunMs = performance.now();
    const isGood = await this.#take();
    const waitMs = isGood ? this.#times.refreshMs : this.#times.retryMs;
    if (!this.#abort.signal.aborted) {
      this.#timer = setTimeout(() => void this.#fetch(), waitMs).unref();
    }
    return isGood;
  }

  async #take(): Promise<boolean> {
    const url = this.#url.href;
    try {
      this.#keys = readKeySet(await this.#read(), url);
    } catch (error) {
      if (this.#abort.signal.aborted) return false;
      const trouble = describe(error, this.#times.timeoutMs);
      // Once, not every ten seconds: it is seen in /health meanwhile.
      if (trouble !== this.#trouble) {
        const text = "the issuer's keys can not be had; the last good ones stay";
        this.#log.warn({ url, trouble, keys: this.#keys.length }, text);
      }
      this.#trouble = trouble;
      return false;
    }
    this.#goodMs = performance.now();
    if (this.#trouble !== "") this.#log.info({ url }, "the issuer's keys are here again");
    this.#trouble = "";
    this.#onChange();
    return true;
  }

  /** The body, of a bounded size and within a bounded time. */
  async #read(): Promise<string> {
    const timeout = AbortSignal.timeout(this.#times.timeoutMs);
    const response = await fetch(this.#url, {
      headers: { accept: "application/jwk-set+json, application/json" },
      redirect: "error", // who could answer with one could send keys elsewhere
      signal: AbortSignal.any([timeout, this.#abort.signal]),
    });
    const { status, body } = response;
    if (status !== 200 || body === null) {
      await body?.cancel();
      throw new CodedError("UNAVAILABLE", `the answer has the status ${status}`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > KEY_SET_BYTES_MAX) {
        throw new CodedError("UNAVAILABLE", `it has more than ${KEY_SET_BYTES_MAX} bytes`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  }
}

function readUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && isOwn(url));
  if (url !== null && isSafe && url.username === "" && url.password === "") return url;
  const detail = `AUTH_JWKS_URL is ${JSON.stringify(text)}, must be https://… without a password`;
  throw new CodedError("OPTION_INVALID", detail);
}

function isOwn({ hostname }: URL): boolean {
  return isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
}

/** What went wrong, for people; undici says it in its cause. */
function describe(error: unknown, timeoutMs: number): string {
  if (error instanceof CodedError) return error.detail;
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no whole answer within ${timeoutMs} ms`;
  const { cause } = error;
  return cause instanceof Error ? `${error.message}: ${cause.message}` : error.message;
}
