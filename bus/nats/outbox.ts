/**
 * Gathers core publishes of one loop turn into one write.
 *
 * The client library writes at the end of each callback, and every client socket is a callback of
 * its own: one system call here and one read at the server per message. Held until the turn's end
 * (after all sockets were read, before anything is waited for), messages of busy turns share a
 * write, and a lone one is not delayed.
 */
import type { NatsConnection, PublishOptions } from "@nats-io/transport-node";

/** Messages held at most; then they are written at once. Bounds memory, at 50 us a turn's work. */
const HELD_COUNT_MAX = 1024;

/** What the connection would not take: one message, the others go on. */
export type OnUnsent = (subject: string, byteCount: number, error: unknown) => void;

export class Outbox {
  readonly #connection: NatsConnection;
  readonly #onUnsent: OnUnsent;
  #subjects: string[] = [];
  #messages: Uint8Array[] = [];
  #options: (PublishOptions | undefined)[] = [];

  /** @param onUnsent the message is larger than the server takes, or the connection ends. */
  constructor(connection: NatsConnection, onUnsent: OnUnsent) {
    this.#connection = connection;
    this.#onUnsent = onUnsent;
  }

  /** Publishes in this turn, in the order of the calls. Hot path; keeps `bytes` until then. */
  publish(subject: string, bytes: Uint8Array, options?: PublishOptions): void {
    this.#subjects.push(subject);
    this.#messages.push(bytes);
    this.#options.push(options);
    if (this.#subjects.length === 1) setImmediate(() => this.flush());
    else if (this.#subjects.length >= HELD_COUNT_MAX) this.flush();
  }

  /** Hands what is held to the connection now; nothing is kept when that is closed. */
  flush(): void {
    if (this.#subjects.length === 0) return;
    const subjects = this.#subjects;
    const messages = this.#messages;
    const options = this.#options;
    this.#subjects = [];
    this.#messages = [];
    this.#options = [];
    if (this.#connection.isClosed()) return;
    for (let i = 0; i < subjects.length; i += 1) {
      const subject = subjects[i] ?? "";
      try {
        this.#connection.publish(subject, messages[i], options[i]);
      } catch (error) {
        this.#onUnsent(subject, messages[i]?.length ?? 0, error);
      }
    }
  }
}
