/**
 * A second member, inside the page but on a connection of its own: it counts aloud, so that there
 * is something to miss while the first connection is cut.
 */
import { type Client, connect } from "../../../sdk/typescript/index.ts";
import { type Payload, payloadCodec } from "./payload.ts";

/** Five a second: enough to see a cut, few enough to follow by eye. */
const BEAT_INTERVAL_MS = 200;
/** It stops by itself after this, so that a forgotten tab does not fill a room's history. */
const BEAT_TIME_MAX_MS = 60_000;

/** What the page is told. */
export interface SecondMemberEvents {
  /** The gateway acknowledged message `n`, sent at `sentAtMs` by this computer's clock. */
  onSent(from: string, n: number, sentAtMs: number): void;
  /** It stopped by itself: time is up, or an error that ended it. */
  onStopped(error: unknown): void;
}

export class SecondMember {
  /** Names it in its messages. */
  readonly from = `second-${crypto.randomUUID().slice(0, 8)}`;
  readonly #url: string;
  readonly #events: SecondMemberEvents;
  #client: Promise<Client<Payload>> | null = null;
  #timer: number | null = null;
  #stopAtMs = 0;
  #n = 0;

  constructor(url: string, events: SecondMemberEvents) {
    this.#url = url;
    this.#events = events;
  }

  get isBeating(): boolean {
    return this.#timer !== null;
  }

  /** Begins to count aloud in a room, or goes on in another one. */
  start(room: string): void {
    this.stop();
    this.#stopAtMs = Date.now() + BEAT_TIME_MAX_MS;
    this.#timer = window.setInterval(() => void this.#beat(room), BEAT_INTERVAL_MS);
    void this.#beat(room);
  }

  stop(): void {
    if (this.#timer !== null) window.clearInterval(this.#timer);
    this.#timer = null;
  }

  async #beat(room: string): Promise<void> {
    if (Date.now() > this.#stopAtMs) {
      this.#end(null);
      return;
    }
    try {
      this.#client ??= connect(this.#url, { codec: payloadCodec });
      const client = await this.#client;
      // Not while it is away itself: queued beats would all be sent at once, later.
      if (!this.isBeating || client.status.state !== "open") return;
      this.#n += 1;
      const n = this.#n;
      const sentAtMs = Date.now();
      await client.publish(room, { kind: "beat", from: this.from, n });
      this.#events.onSent(this.from, n, sentAtMs);
    } catch (error) {
      this.#end(error);
    }
  }

  #end(error: unknown): void {
    if (!this.isBeating) return;
    this.stop();
    this.#client?.then(
      (client) => client.close(),
      () => {
        // It never opened; the error has been told.
      },
    );
    this.#client = null;
    this.#events.onStopped(error);
  }
}
