/**
 * What pushes by OTLP have in common: one is under way at a time, the end waits for none, and an
 * endpoint in trouble is told once when it begins and once when it is over.
 */

/** A push without an answer is given up after this, ms, its tries together. */
export const REQUEST_MS_MAX = 5000;
/** At the end, what is left is pushed within this, ms; the rest is dropped. */
const CLOSE_MS_MAX = 2000;

/** What is told to operators. */
export interface PushLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** What is pushed, and by whom. */
export interface PushWork {
  /** http://host:port, or https. */
  readonly endpoint: string;
  /** From one look for something to push to the next, ms. */
  readonly everyMs: number;
  /** Logged when the endpoint begins to take nothing, and when it takes again. */
  readonly texts: { readonly failing: string; readonly again: string };
  /** One push, or several; null when there is nothing. Never rejects. */
  push(): Promise<void> | null;
  /** Of OpenTelemetry's exporter. */
  shutdown(): Promise<void>;
}

/** OpenTelemetry's exporters, as far as they are used. */
interface Exporter<Items> {
  export(items: Items, done: (result: { code: number; error?: Error }) => void): void;
}

export class OtlpPush {
  readonly #work: PushWork;
  readonly #log: PushLog;
  readonly #timer: NodeJS.Timeout;
  #running: Promise<void> | null = null;
  #isFailing = false;

  constructor(work: PushWork, log: PushLog) {
    this.#work = work;
    this.#log = log;
    this.#timer = setInterval(() => this.#begin(), work.everyMs).unref();
  }

  /** Pushes what is left, for at most CLOSE_MS_MAX, and ends. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const late = new Promise<void>((resolve) => setTimeout(resolve, CLOSE_MS_MAX).unref());
    const rest = async () => {
      await this.#running;
      this.#begin();
      await this.#running;
    };
    await Promise.race([rest(), late]);
    // It waits for what is under way, which may be seconds: nobody has to.
    this.#work.shutdown().catch(() => {});
  }

  /** How a push ended. @param trouble fields of the log line; null: it was taken. */
  tell(trouble: object | null): void {
    const isFailing = trouble !== null;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const { endpoint, texts } = this.#work;
    if (isFailing) this.#log.warn({ endpoint, ...trouble }, texts.failing);
    else this.#log.info({ endpoint }, texts.again);
  }

  #begin(): void {
    if (this.#running !== null) return;
    const push = this.#work.push();
    if (push === null) return;
    this.#running = push.finally(() => {
      this.#running = null;
    });
  }
}

/** Hands items to an exporter. @returns why they were not taken; null when they were. */
export function handOver<Items>(exporter: Exporter<Items>, items: Items): Promise<Error | null> {
  return new Promise((resolve) => {
    exporter.export(items, ({ code, error }) => {
      resolve(code === 0 ? null : (error ?? new Error("the endpoint did not say why")));
    });
  });
}
