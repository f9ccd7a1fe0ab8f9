/**
 * What `connect` can be told: options, their defaults and bounds.
 */
import type { Codec } from "./codec.ts";
import { TidegateError } from "./error.ts";

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
  /** Bearer token, or a function that returns one for every new connection. Default none. */
  readonly token?: string | (() => string | Promise<string>);
  /** Default: this SDK. */
  readonly build?: Build;
  /** Of every room that names none. Default bytes as they are. */
  readonly codec?: Codec<T>;
  /** Closes the client when aborted, also while it connects. */
  readonly signal?: AbortSignal;
}

/** Defaults of {@link ClientLimits}. */
export const DEFAULTS: ClientLimits = {
  connectTimeoutMs: 20_000,
  handshakeTimeoutMs: 10_000,
  publishWindowMax: 256,
  publishQueueCountMax: 4096,
  publishQueueBytesMax: 8 * 1024 * 1024,
  publishWaitMaxMs: 20_000,
  roomQueueCountMax: 2048,
  roomQueueBytesMax: 4 * 1024 * 1024,
};

const bounds: Record<keyof ClientLimits, readonly [number, number]> = {
  connectTimeoutMs: [1, 2 ** 31 - 1],
  handshakeTimeoutMs: [100, 120_000],
  publishWindowMax: [1, 10_000],
  publishQueueCountMax: [1, 1_000_000],
  publishQueueBytesMax: [1024, 2 ** 30],
  publishWaitMaxMs: [1, 3_600_000],
  roomQueueCountMax: [1, 1_000_000],
  roomQueueBytesMax: [1024, 2 ** 30],
};

/**
 * Completes the limits.
 *
 * @throws {TidegateError} `OPTION_INVALID`, naming the option, its value and its bounds.
 */
export function validateLimits(partial: Partial<ClientLimits>): ClientLimits {
  const limits: Record<string, number> = {};
  for (const [name, [least, most]] of Object.entries(bounds)) {
    const value = partial[name as keyof ClientLimits] ?? DEFAULTS[name as keyof ClientLimits];
    const isForEver = value === Infinity && name === "connectTimeoutMs";
    if (!isForEver && !(Number.isInteger(value) && value >= least && value <= most)) {
      const text = `${name} is ${value}; it must be a whole number from ${least} to ${most}`;
      throw new TidegateError("OPTION_INVALID", text);
    }
    limits[name] = value;
  }
  return limits as unknown as ClientLimits;
}

/**
 * Checks a gateway's URL.
 *
 * @throws {TidegateError} `OPTION_INVALID`.
 */
export function validateUrl(url: string): string {
  if (!/^wss?:\/\/[^/]/.test(url) || !URL.canParse(url) || url.includes("#")) {
    const text = `url ${JSON.stringify(url)} is not a WebSocket URL; write "ws://host:port/ws"`;
    throw new TidegateError("OPTION_INVALID", text);
  }
  return url;
}
