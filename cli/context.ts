/**
 * What a command gets from the process, so that commands touch no globals.
 */
import type { Readable, Writable } from "node:stream";
import type { Screen } from "./screen.ts";

export interface Context {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether people see stdout: then control characters of messages are escaped. */
  readonly isTerminal: boolean;
  /** Whether lines come from a keyboard. */
  readonly isKeyboard: boolean;
  /** The terminal as a whole, for what draws in place; null when people do not see stdout. */
  readonly screen: Screen | null;
  /** Aborted by SIGINT, SIGTERM, and when nobody reads stdout any more: end soon, quietly. */
  readonly signal: AbortSignal;
}

/** How to reach a control plane, and what to show it. */
export interface ControlPlace {
  /** "host:port", or several with commas: the first that answers is asked. */
  readonly address: string;
  /** Bearer token, or empty. */
  readonly token: string;
  /** PEM of the authority its certificate must lead to; "system": the system's; empty: no TLS. */
  readonly tlsCa: string;
  /** PEM of our certificate and key, or empty. */
  readonly tlsCert: string;
  readonly tlsKey: string;
}

/** Defaults of the global options: files are named. */
export interface TargetDefaults {
  readonly url: string;
  readonly control: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly tlsCa: string;
  readonly tlsCert: string;
  readonly tlsKey: string;
  readonly tenant: string;
}

/** Where things are, from options and environment. */
export interface Target {
  /** WebSocket URL of a gateway. */
  readonly url: string;
  readonly control: ControlPlace;
  /** Bearer token, or empty. */
  readonly token: string;
  readonly tenant: string;
}

/** Writes to stdout; resolves when there is room for more, or when nobody reads any more. */
export function print(context: Context, text: string | Uint8Array): Promise<void> {
  const { stdout, signal } = context;
  if (signal.aborted || stdout.write(text)) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stdout.off("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stdout.on("drain", done);
    signal.addEventListener("abort", done);
  });
}

/** Tells something beside the output. */
export function note(context: Context, text: string): void {
  context.stderr.write(`tidegatectl: ${text}\n`);
}
