/**
 * What client processes tell the run: one JSON line each, on stdout. The Python clients
 * (consumer.py, producer.py) write the same.
 */

/** A line; `at` is microseconds of the machine's monotonic clock. */
export type ClientLine =
  /** Publish is about to be called. */
  | { readonly t: "call"; readonly room: string; readonly n: number; readonly at: number }
  | {
      readonly t: "ack";
      readonly room: string;
      readonly n: number;
      readonly at: number;
      readonly place: string | null;
    }
  | {
      readonly t: "fail";
      readonly room: string;
      readonly n: number;
      readonly at: number;
      readonly code: string;
      /** What the error said. */
      readonly detail: string;
    }
  /** All publishes have ended. */
  | { readonly t: "done" }
  | {
      readonly t: "join";
      readonly room: string;
      readonly at: number;
      readonly after: string | null;
    }
  | {
      readonly t: "got";
      readonly room: string;
      readonly p: string;
      readonly n: number;
      readonly at: number;
      readonly place: string | null;
    }
  | {
      readonly t: "gap";
      readonly room: string;
      readonly at: number;
      readonly reason: string;
      readonly missed: number;
    }
  | { readonly t: "away"; readonly at: number }
  | { readonly t: "back"; readonly at: number }
  /** A move that was asked for has ended; `error` is empty when it is done. */
  | { readonly t: "moved"; readonly id: number; readonly error: string }
  /** Ready to begin: connected, and joined to every room. */
  | { readonly t: "ready" }
  | { readonly t: "broken"; readonly why: string };

/** A payload: who published it, as the how many-th of the room, and something to carry. */
export interface ChaosPayload {
  readonly p: string;
  readonly n: number;
  readonly x: string;
}

/** How wrong a client's clocks are. */
export interface ClockSkew {
  /** Added to the wall clock, ms. */
  readonly wallMs: number;
  /** How fast the monotonic clock runs; 1 is right. */
  readonly rate: number;
}

/** A room to publish to. */
export interface ProducerRoom {
  readonly name: string;
  readonly isDurable: boolean;
  readonly perSecond: number;
}

/** What a producer is to do: its first argument, as JSON. */
export interface ProducerWork {
  readonly name: string;
  readonly url: string;
  readonly skew: ClockSkew | null;
  readonly rooms: readonly ProducerRoom[];
  /** Bytes of each payload's filling; every 50th has `largeBytes`. */
  readonly bytes: number;
  readonly largeBytes: number;
}

/** What a consumer is to do: its first argument, as JSON. */
export interface ConsumerWork {
  readonly name: string;
  readonly url: string;
  readonly skew: ClockSkew | null;
  readonly rooms: readonly string[];
  /** Stands still this long now and then, ms; 0: never. */
  readonly stallMs: number;
  /** Ends its client and resumes with a new one by its own positions, this often, ms; 0: never. */
  readonly moveMs: number;
}

/** What a mover is started with: its first argument, as JSON. */
export interface MoverWork {
  /** Folder of main.ts: the product, or a broken copy of it. */
  readonly root: string;
  /** Of the bus, as NATS options: a name of its own, and its ways to NATS. */
  readonly bus: Readonly<Record<string, unknown>>;
}

/** Writes a line. */
export function tell(line: ClientLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

/** Now, microseconds of the machine's monotonic clock, skewed by nobody. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
