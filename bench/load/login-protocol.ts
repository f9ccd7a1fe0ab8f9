/**
 * What the bench "logins" and its generator (login-generator.ts) say to each other.
 */
import type { PlainHistogram } from "./histogram.ts";

/** Connections one after the other: upgrade, Hello with a token of its own, Welcome, gone. */
export interface LoginPlan {
  readonly url: string;
  /** PEM of the key that signs the tokens. */
  readonly privateKey: string;
  /** Different tokens; each is shown several times. */
  readonly tokenCount: number;
  /** Logins under way at once. */
  readonly concurrency: number;
}

/** What a login generator is told. */
export type LoginCommand =
  | { readonly kind: "prepare"; readonly plan: LoginPlan }
  /** Logs in until so many have succeeded; an answer comes then. */
  | { readonly kind: "login"; readonly count: number }
  /** Checks so many tokens in this process, by the same code as the gateway and nothing else. */
  | { readonly kind: "verify"; readonly count: number; readonly publicKey: string };

/** What it answers. */
export type LoginReply =
  | { readonly kind: "prepared" }
  | {
      readonly kind: "loggedIn";
      readonly count: number;
      readonly failedCount: number;
      /** The first reason of a failure; empty without one. */
      readonly reason: string;
      readonly seconds: number;
      readonly latency: PlainHistogram;
    }
  | { readonly kind: "verified"; readonly cpuUs: number };
