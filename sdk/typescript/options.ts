/**
 * What `connect` can be told: options, their defaults and bounds.
 */
import type { Codec } from "./codec.ts";
import { TidegateError } from "./error.ts";
import type { Flags } from "./flags.ts";
import type { TraceHooks } from "./trace-hooks.ts";

/** What the application is; operators see it. Each part 0 to 64 bytes. */
export interface Build {
  readonly name: string;
  /** Semantic version. */
  readonly version: string;
}

/** Plain numbers among the options of `connect`. */
export interface ClientLimits {
  /**
   * The first Welcome must come within this, else `connect` rejects with `CONNECT_FAILED`; later
   * breaks are mended for as long as it takes. 1 to 2^31 - 1 milliseconds, or Infinity.
   */
  readonly connectTimeoutMs: number;
  /** One try, from dialling to Welcome, before the next is made. 100 to 120000 milliseconds. */
  readonly handshakeTimeoutMs: number;
  /**
   * Publishes unanswered at once, all rooms together; the gateway's limit counts too. After a break
   * they are repeated one by one within 20 s, so a larger window wants a shorter way. 1 to 10000.
   */
  readonly publishWindowMax: number;
  /** Publishes waiting to be written, all rooms together; beyond it `QUEUE_FULL`. 1 to 1000000. */
  readonly publishQueueCountMax: number;
  /** Their payload bytes; beyond it `QUEUE_FULL`. 1024 to 2^30. */
  readonly publishQueueBytesMax: number;
  /** A publish not written within this fails as `UNAVAILABLE`. 1 to 3600000 milliseconds. */
  readonly publishWaitMaxMs: number;
  /** Events a room holds for a loop that is behind; beyond it the room leaves and resumes. */
  readonly roomQueueCountMax: number;
  /** Their bytes, likewise. 1024 to 2^30. */
  readonly roomQueueBytesMax: number;
}

/** Options of `connect`. */
export interface ConnectOptions<T = Uint8Array> extends Partial<ClientLimits> {
  /**
   * Bearer token, or a function that returns one: asked for every new connection, and again before
   * the token ends, or when it is revoked; never twice at once, and it has `handshakeTimeoutMs` to
   * answer. With a plain string the client ends when that token does. Default none.
   */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * What the client says of itself, for flags: read there as `client.<key>`. At most 32; keys to
   * 64 bytes, values to 256.
   */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Region that the client is in or wants, [a-z0-9-]{0,32}; a hint. */
  readonly region?: string;
  /** Feature flags: a `new Flags()` of "@tidegate/sdk/flags", of this client alone. */
  readonly flags?: Flags;
  /** Spans of publishes and messages: a `new Tracing()` of "@tidegate/sdk/tracing". */
  readonly tracing?: TraceHooks;
  /** Default: this SDK. */
  readonly build?: Build;
  /** Of every room that names none. Default bytes as they are. */
  readonly codec?: Codec<T>;
  /** Closes the client when aborted, also while it connects. */
  readonly signal?: AbortSignal;
}

/** Default, least and most of each. */
const LIMITS: Record<keyof ClientLimits, readonly [number, number, number]> = {
  connectTimeoutMs: [20_000, 1, 2 ** 31 - 1],
  handshakeTimeoutMs: [10_000, 100, 120_000],
  publishWindowMax: [256, 1, 10_000],
  publishQueueCountMax: [4096, 1, 1_000_000],
  publishQueueBytesMax: [2 ** 23, 1024, 2 ** 30],
  publishWaitMaxMs: [20_000, 1, 3_600_000],
  roomQueueCountMax: [2048, 1, 1_000_000],
  roomQueueBytesMax: [2 ** 22, 1024, 2 ** 30],
};

/** Defaults of {@link ClientLimits}. */
export const DEFAULTS: ClientLimits = validateLimits({});

/**
 * Completes the limits.
 *
 * @throws {TidegateError} `OPTION_INVALID`, naming the option, its value and its bounds.
 */
export function validateLimits(partial: Partial<ClientLimits>): ClientLimits {
  const limits: Partial<Record<keyof ClientLimits, number>> = {};
  for (const name of Object.keys(LIMITS) as (keyof ClientLimits)[]) {
    const [standard, least, most] = LIMITS[name];
    const value = partial[name] ?? standard;
    if (value !== Infinity || name !== "connectTimeoutMs") {
      checkNumber("OPTION_INVALID", name, value, least, most);
    }
    limits[name] = value;
  }
  return limits as ClientLimits;
}

/** @throws {TidegateError} `code`, when it is no whole number within the bounds. */
export function checkNumber(
  code: string,
  name: string,
  value: number,
  least: number,
  most: number,
): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const text = `${name} is ${value}, not a whole number from ${least} to ${most}`;
  throw new TidegateError(code, text);
}

/**
 * Checks a gateway's URL.
 *
 * @throws {TidegateError} `OPTION_INVALID`.
 */
export function validateUrl(url: string): string {
  if (!isUrl(url)) {
    const text = `url "${url}" is not like "wss://host:port/ws"`;
    throw new TidegateError("OPTION_INVALID", text);
  }
  return url;
}

/** Whether this is a WebSocket's URL. */
export function isUrl(url: string): boolean {
  return /^wss?:\/\/[^/#][^#]*$/.test(url) && URL.canParse(url);
}
