/**
 * The link to NATS: whether it is up, and whether anything has come over it lately.
 *
 * nats.js says when a connection has ended; a frozen server, or one behind a broken network, shows
 * only in silence. So each tick sends a ping unless one is out, and whatever arrives is a sign of
 * life. Time is counted in ticks of our own loop where it accuses the other side.
 */
import type { NatsConnection } from "@nats-io/transport-node";
import { CodedError } from "../../proto/coded-error.ts";
import { TICK_MS } from "./tick.ts";

/** Without a sign of life for this long the process is cut off, and says so: within 2 s, ticks. */
const CUT_OFF_TICKS = 1500 / TICK_MS;
/** Without one for this long the link may be dead; nobody else is judged by its silence, ticks. */
const HEALTHY_TICKS = 3;
/**
 * An outage up to this long is short: every message lost in it has a tail that comes after it, so
 * losses are counted. After a longer one anything may be missing. From the last answered ping, ms.
 */
export const SHORT_OUTAGE_MS = 1000;

/**
 * Bytes written since the last answered ping; pings go each 250 ms. A frozen server is known after
 * 1.5 s: until then this bounds what waits for it in memory. Enough for 256 MB/s.
 */
const UNREAD_BYTES_MAX = 64 * 1024 ** 2;

/** What the link tells. */
export interface LinkEvents {
  /** The link is back on a new connection. */
  onReconnect(isLong: boolean): void;
  /** {@link Link.isCutOff} has changed. */
  onCutOff(isCutOff: boolean): void;
}

export class Link {
  readonly #connection: NatsConnection;
  readonly #events: LinkEvents;
  #isConnected = true;
  #isCutOff = false;
  /** When the ping that is out was sent; null while none is. */
  #pingMs: number | null = null;
  /** What the last answered ping took. */
  #roundTripMs = 0;
  #silentTicks = 0;
  /** When the last ping was sent that was answered: what the server had sent by then is here. */
  #provenMs = performance.now();
  #receivedCount = 0;
  /** Bytes written when that ping was sent: they have left this process. */
  #provenBytes = 0;
  /** Connections that were lost. */
  lostCount = 0;

  constructor(connection: NatsConnection, events: LinkEvents) {
    this.#connection = connection;
    this.#events = events;
    void this.#follow();
  }

  /** Whether publishing makes sense: connected, and not cut off. */
  get isUp(): boolean {
    return this.#isConnected && !this.#isCutOff;
  }

  /** What a ping takes, ms; what the one that is out has taken, if that is more. */
  get lagMs(): number {
    if (this.#pingMs === null) return this.#roundTripMs;
    return Math.max(this.#roundTripMs, performance.now() - this.#pingMs);
  }

  /** No sign of life for 1.5 s: members are told. */
  get isCutOff(): boolean {
    return this.#isCutOff;
  }

  /**
   * Why nothing should be published now: cut off, or more is written than a living server leaves
   * unread. Null when it may. Hot path.
   */
  refusal(): CodedError | null {
    if (!this.isUp) return new CodedError("UNAVAILABLE", "this gateway is cut off from NATS");
    const unreadBytes = this.#connection.stats().outBytes - this.#provenBytes;
    if (unreadBytes <= UNREAD_BYTES_MAX) return null;
    const mebibytes = Math.round(unreadBytes / 1024 ** 2);
    return new CodedError("UNAVAILABLE", `NATS has not read ${mebibytes} MiB yet; try again`);
  }

  /** Whether something has come lately. */
  get isHealthy(): boolean {
    return this.#isConnected && this.#silentTicks <= HEALTHY_TICKS;
  }

  /** Looks for signs of life and asks for one; call before the ticks that are due. */
  ask(): void {
    const { inMsgs } = this.#connection.stats();
    if (this.#isConnected && inMsgs !== this.#receivedCount) this.#onSign();
    this.#receivedCount = inMsgs;
    if (this.#isConnected && this.#pingMs === null) this.#ping();
  }

  /** Counts {@link TICK_MS} more of silence. */
  onTick(): void {
    this.#silentTicks += 1;
    if (this.#silentTicks >= CUT_OFF_TICKS) this.#setCutOff(true);
  }

  #ping(): void {
    const sentMs = performance.now();
    this.#pingMs = sentMs;
    const sentBytes = this.#connection.stats().outBytes;
    this.#connection.flush().then(
      () => {
        this.#pingMs = null;
        this.#roundTripMs = performance.now() - sentMs;
        this.#provenMs = sentMs;
        this.#provenBytes = sentBytes;
        this.#onSign();
      },
      () => {
        this.#pingMs = null; // the connection ended; its successor is pinged by the next tick
      },
    );
  }

  #onSign(): void {
    this.#silentTicks = 0;
    this.#setCutOff(false);
  }

  #setCutOff(isCutOff: boolean): void {
    if (this.#isCutOff === isCutOff) return;
    this.#isCutOff = isCutOff;
    this.#events.onCutOff(isCutOff);
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === "disconnect") {
        this.#isConnected = false;
        this.lostCount += 1;
      } else if (type === "reconnect") {
        this.#isConnected = true;
        this.#provenBytes = this.#connection.stats().outBytes; // what was not sent is dropped
        const isLong = performance.now() - this.#provenMs > SHORT_OUTAGE_MS;
        this.#events.onReconnect(isLong); // before members hear that all is well again
        this.#onSign();
      }
    }
  }
}
