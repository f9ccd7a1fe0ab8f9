/**
 * Opens connections for a session, each with a Hello that says who comes back.
 */
import { Connection, type ConnectionHandlers } from "./connection.ts";
import { PROTOCOL_VERSION } from "./frame.ts";
import { isUrl } from "./options.ts";
import { ServerClock } from "./server-clock.ts";
import type { SessionSetup } from "./session-setup.ts";

/** A move whose Welcome takes longer is given up, milliseconds: the address may be dead. */
const MOVE_TIMEOUT_MS = 5000;

export class Dialler {
  readonly #setup: SessionSetup;
  readonly serverClock = new ServerClock();
  /** R1: made once, kept in memory only. */
  readonly producerKey = crypto.getRandomValues(new Uint8Array(16));
  /** Of the last Welcome: moves our seats to the next. In memory only, as the producer key. */
  sessionToken: Uint8Array = new Uint8Array(0);
  #count = 0;

  constructor(setup: SessionSetup) {
    this.#setup = setup;
  }

  /** @param settle given for a move: calls its argument when Hello may be sent. */
  open(
    url: string,
    token: string,
    settle: ((then: () => void) => void) | null,
    handlers: ConnectionHandlers,
  ): Connection {
    const { build, limits, runtime, attributes, region } = this.#setup;
    this.#count += 1;
    const hello = {
      protocolMin: PROTOCOL_VERSION,
      protocolMax: PROTOCOL_VERSION,
      token,
      build: { ...build, platform: runtime.platform },
      producerKey: this.producerKey,
      sessionToken: this.sessionToken,
      dialCount: this.#count,
      attributes: Object.entries(attributes).map(([key, value]) => ({ key, value })),
      region,
    };
    const handshakeTimeoutMs = settle === null ? limits.handshakeTimeoutMs : MOVE_TIMEOUT_MS;
    const { serverClock } = this;
    return new Connection(
      { ...runtime, url, hello, handshakeTimeoutMs, serverClock, settle },
      handlers,
    );
  }
}

/**
 * Where a GoAway leads.
 *
 * @param targets of Welcome: to no other one, nor from TLS to none, which would show the token.
 * @param url where the client began; it goes back there instead.
 */
export function moveUrl(target: string, targets: readonly string[], url: string): string {
  return isSafe(target, url) && targets.includes(target) ? target : url;
}

/**
 * Where a Redirect leads, or null: one hop from where the client began, and never from TLS to none.
 *
 * @param from who sent it.
 * @param url where the client began.
 */
export function redirectUrl(target: string, from: string, url: string): string | null {
  return from === url && isUrl(target) && isSafe(target, url) ? target : null;
}

function isSafe(target: string, url: string): boolean {
  return target.startsWith("wss:") || !url.startsWith("wss:");
}
