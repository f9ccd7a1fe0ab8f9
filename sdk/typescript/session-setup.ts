/**
 * What a session is made with, and what it says of itself.
 */
import type { Clock } from "./clock.ts";
import type { TidegateError } from "./error.ts";
import type { Flags } from "./flags.ts";
import type { Build, ClientLimits } from "./options.ts";
import type { OpenSocket } from "./socket.ts";
import type { makePause } from "./socket-node.ts";
import type { TraceHooks } from "./trace-hooks.ts";

/** What the client is doing. */
export type ClientStatus =
  /** Dialling for the first time; `attempt` counts from 1. */
  | { readonly state: "connecting"; readonly attempt: number }
  /** Connected. Quote the connection id to operators. */
  | {
      readonly state: "open";
      readonly connectionId: string;
      readonly tenant: string;
      readonly user: string;
      readonly serverVersion: string;
    }
  /** Waiting `delayMs` before try number `attempt`, because of `error`. */
  | {
      readonly state: "reconnecting";
      readonly attempt: number;
      readonly delayMs: number;
      readonly error: TidegateError;
    }
  /** Over: closed by its user (`error` null), or refused for good. */
  | { readonly state: "closed"; readonly error: TidegateError | null };

/** What a session is made with besides its options; tests pass their own. */
export interface Runtime {
  readonly clock: Clock;
  readonly openSocket: OpenSocket;
  /** What the Hello says it runs on. */
  readonly platform: string;
  /** From 0 (included) to 1. */
  random(): number;
  /** Where the runtime can stop reading. */
  readonly makePause?: typeof makePause | undefined;
}

/** Where to connect, and as what. */
export interface SessionSetup {
  readonly url: string;
  readonly token: string | (() => string | Promise<string>);
  readonly build: Build;
  readonly attributes: Readonly<Record<string, string>>;
  readonly region: string;
  readonly flags: Flags | undefined;
  readonly tracing: TraceHooks | undefined;
  readonly limits: ClientLimits;
  readonly runtime: Runtime;
}
