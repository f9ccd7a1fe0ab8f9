/**
 * A publisher: sends events when they are due and keeps what became of each, as the SDK said.
 *
 * It does not retry by itself: the SDK does, over cuts and the server's death, without doubling.
 */
import { type Client, connect, json, TidegateError } from "../../sdk/typescript/index.ts";
import type { SentMessage } from "./judge.ts";
import type { ReplayPayload } from "./report.ts";
import type { TimedEvent } from "./time-line.ts";

/** How often due events are looked for, milliseconds. */
const TICK_MS = 10;

export class Publisher {
  readonly #name: string;
  readonly #client: Client<ReplayPayload>;
  readonly #sent: SentMessage[] = [];
  readonly #counts = new Map<string, number>();

  private constructor(name: string, client: Client<ReplayPayload>) {
    this.#name = name;
    this.#client = client;
  }

  /** @param name goes into each message; one letter is enough. */
  static async open(name: string, url: string): Promise<Publisher> {
    return new Publisher(name, await connect(url, { codec: json<ReplayPayload>() }));
  }

  /** Everything published so far, in the order of the calls. */
  get sent(): readonly SentMessage[] {
    return this.#sent;
  }

  /** Publishes all events when they are due; resolves when each is acknowledged or has failed. */
  async replay(room: string, events: readonly TimedEvent[], startMs: number): Promise<void> {
    const outcomes: Promise<void>[] = [];
    let next = 0;
    while (next < events.length) {
      const elapsedMs = performance.now() - startMs;
      for (
        let due = events[next];
        due !== undefined && due.dueMs <= elapsedMs;
        due = events[next]
      ) {
        outcomes.push(this.#publish(room, due.event));
        next += 1;
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    await Promise.all(outcomes);
  }

  /** Marks the end of a room: whoever has it has everything before it. */
  async markEnd(room: string): Promise<void> {
    await this.#client.publish(room, { p: this.#name, n: 0, at: Date.now(), event: {} });
  }

  async close(): Promise<void> {
    await this.#client.close();
  }

  async #publish(room: string, event: object): Promise<void> {
    const n = (this.#counts.get(room) ?? 0) + 1;
    this.#counts.set(room, n);
    const message: SentMessage = {
      room,
      publisher: this.#name,
      n,
      outcome: "unknown",
      ackedAtMs: 0,
    };
    this.#sent.push(message);
    const at = performance.timeOrigin + performance.now();
    try {
      await this.#client.publish(room, { p: this.#name, n, at, event });
      message.outcome = "acknowledged";
      message.ackedAtMs = performance.timeOrigin + performance.now();
    } catch (error) {
      const code = error instanceof TidegateError ? error.code : "";
      message.outcome = code === "OUTCOME_UNKNOWN" ? "unknown" : "failed";
    }
  }
}
