/**
 * The way in: connects with the runtime's own socket, clock and chance.
 */
import { makePause, openSocket, PLATFORM } from "#socket";
import { Client } from "./client.ts";
import { systemClock } from "./clock.ts";
import type { Codec } from "./codec.ts";
import type { ConnectOptions } from "./options.ts";

/**
 * Connects to a gateway; resolves after its first Welcome. Later breaks are mended in the
 * background.
 *
 * @param url "ws://host:port/ws", or wss.
 * @throws {TidegateError} `OPTION_INVALID`; `TOKEN_INVALID`, `ORIGIN_REFUSED` and other refusals
 *   for good; `CONNECT_FAILED` when no gateway answered within `connectTimeoutMs`; `CLOSED` when
 *   aborted.
 */
export function connect(
  url: string,
  options?: ConnectOptions<Uint8Array> & { readonly codec?: undefined },
): Promise<Client<Uint8Array>>;
export function connect<T>(
  url: string,
  options: ConnectOptions<T> & { readonly codec: Codec<T> },
): Promise<Client<T>>;
export async function connect<T>(url: string, options: ConnectOptions<T> = {}): Promise<Client<T>> {
  const client = new Client(url, options, {
    clock: systemClock,
    openSocket,
    platform: PLATFORM,
    random: Math.random,
    makePause,
  });
  await client.open();
  return client;
}
